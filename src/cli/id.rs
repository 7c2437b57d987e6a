//! `id`: the key by which others know this node, in digits, or in squares for a phone.

use super::options::Arguments;
use super::run::data_path;
use super::{Failure, say};
use cjp2p_node::data_dir::load_or_make_key;
use cjp2p_node::event_loop::entropy;
use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};
use serde_json::json;

/// Prints the public key of the data directory, which is made if there is none yet. A node may run there or not.
pub(super) fn id(arguments: &Arguments) -> Result<(), Failure> {
    if arguments.qr && arguments.json {
        return Err(Failure::Mistake("either --qr or --json; one at a time".to_owned()));
    }
    let key = load_or_make_key(&data_path(arguments)?, entropy).map_err(Failure::impossible)?.public().to_string();
    match (arguments.json, arguments.qr) {
        (true, _) => say(&json!({ "public_key": key }).to_string()),
        (false, true) => say(&squares(&key)?),
        (false, false) => say(&key),
    }
}

/// A QR code of the text. What is light in it is drawn, because most terminals are dark; cameras read it both ways.
fn squares(text: &str) -> Result<String, Failure> {
    // 7 % of it may be unreadable: a screen is not dirty, and a smaller code is seen from further away.
    let code = QrCode::with_error_correction_level(text, EcLevel::L).map_err(Failure::impossible)?;
    Ok(code.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build())
}
