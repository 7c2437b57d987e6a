//! The JSON Schema (draft 7) of a datagram, which answers `PleaseListSupportedMessages`: made from the types of the
//! fields in the table of messages, so that it cannot say anything else than what is read.
//!
//! It describes and does not check: reading is the business of the types themselves.

use super::{Base64, Hex32, List, NullableHex32, Text};
use serde_json::value::RawValue;

/// The JSON Schema of a field's type.
pub(super) trait Shape {
    /// JSON text of the schema.
    const SCHEMA: &'static str;
    /// Whether a payload without this field is malformed.
    const REQUIRED: bool = true;
}

impl Shape for u64 {
    const SCHEMA: &'static str = r#"{"type":"integer","minimum":0}"#;
}

impl Shape for Text<'_> {
    const SCHEMA: &'static str = r#"{"type":"string"}"#;
}

impl Shape for bool {
    const SCHEMA: &'static str = r#"{"type":"boolean"}"#;
}

impl Shape for Hex32 {
    const SCHEMA: &'static str = Text::SCHEMA;
}

impl Shape for NullableHex32 {
    const SCHEMA: &'static str = r#"{"type":["string","null"]}"#;
}

impl Shape for Base64<'_> {
    const SCHEMA: &'static str = Text::SCHEMA;
}

impl Shape for List<Text<'_>> {
    const SCHEMA: &'static str = r#"{"type":"array","items":{"type":"string"}}"#;
}

impl Shape for List<(Text<'_>, u64)> {
    const SCHEMA: &'static str =
        r#"{"type":"array","items":{"type":"array","items":[{"type":"string"},{"type":"integer"}]}}"#;
}

impl Shape for &RawValue {
    const SCHEMA: &'static str = r#"{"type":"object"}"#;
}

impl<T: Shape> Shape for Option<T> {
    const SCHEMA: &'static str = T::SCHEMA;
    const REQUIRED: bool = false;
}

/// A field's name, the JSON text of its schema, and whether it is required.
pub(super) type Field = (&'static str, &'static str, bool);

/// A payload whose fields are known.
pub(super) trait Described {
    /// The fields, in the order of the table.
    const FIELDS: &'static [Field];
}

/// Writes the schema text piece by piece; every piece is a literal of ours, so nothing needs escaping.
#[derive(Default)]
pub(super) struct SchemaWriter {
    messages: String,
}

impl SchemaWriter {
    /// A message whose payload is an object with these fields.
    pub(super) fn message(&mut self, name: &str, fields: &[Field]) {
        let mut properties = String::new();
        let mut required = String::new();
        for (field, schema, is_required) in fields {
            push_item(&mut properties, &format!(r#""{field}":{schema}"#));
            if *is_required {
                push_item(&mut required, &format!(r#""{field}""#));
            }
        }
        let required = if required.is_empty() { required } else { format!(r#","required":[{required}]"#) };
        self.define(name, &format!(r#"{{"type":"object","properties":{{{properties}}}{required}}}"#));
    }

    /// A message whose payload may be anything.
    pub(super) fn opaque(&mut self, name: &str) {
        self.define(name, "{}");
    }

    fn define(&mut self, name: &str, schema: &str) {
        push_item(&mut self.messages, &format!(r#""{name}":{schema}"#));
    }

    /// The schema of a datagram.
    pub(super) fn finish(self) -> String {
        format!(
            r#"{{"$schema":"http://json-schema.org/draft-07/schema#","type":"array","items":{{"type":"object","minProperties":1,"maxProperties":1,"properties":{{{}}}}}}}"#,
            self.messages
        )
    }
}

fn push_item(list: &mut String, item: &str) {
    if !list.is_empty() {
        list.push(',');
    }
    list.push_str(item);
}
