//! `id`: the key by which others know this node, in digits, or in squares for a phone.

use super::options::Arguments;
use super::run::{own_key, own_path};
use super::{Failure, say};
use qrcodegen::{QrCode, QrCodeEcc};

/// How much light there is around the squares, in squares (ISO/IEC 18004, section 6.3.8).
const MARGIN: i32 = 4;

/// Prints the public key of the data directory, which is made if there is none yet. A node may run there or not.
pub(super) fn id(arguments: &Arguments) -> Result<(), Failure> {
    if arguments.qr && arguments.json {
        return Err(Failure::Mistake("either --qr or --json; one at a time".to_owned()));
    }
    let key = own_key(arguments, &own_path(arguments)?)?.public().to_string();
    match (arguments.json, arguments.qr) {
        (true, _) => say(&format!("{{\"public_key\":\"{key}\"}}")),
        (false, true) => say(&squares(&key)?),
        (false, false) => say(&key),
    }
}

/// A QR code of the text, two rows of squares in a line. What is light is drawn, because most terminals are dark;
/// cameras read it both ways.
fn squares(text: &str) -> Result<String, Failure> {
    // A screen is not dirty, and the smallest code is seen from furthest away.
    let code = QrCode::encode_binary(text.as_bytes(), QrCodeEcc::Low).map_err(Failure::impossible)?;
    let places = -MARGIN..code.size() + MARGIN;
    let line = |y: i32| {
        let square = |x: i32| match (!code.get_module(x, y), !code.get_module(x, y + 1)) {
            (true, true) => '█',
            (true, false) => '▀',
            (false, true) => '▄',
            (false, false) => ' ',
        };
        places.clone().map(square).collect::<String>()
    };
    Ok(places.clone().step_by(2).map(line).collect::<Vec<_>>().join("\n"))
}
