//! `[pairing]`: the host and ports in links.

use crate::model::Pairing;
use crate::reader::Reader;
use crate::values::{optional_host, optional_port};

pub(crate) fn pairing(table: &mut Reader) -> Pairing {
    Pairing {
        host: table.take_with("host", None, optional_host),
        imap_port: table.take_with("imap_port", None, optional_port),
        smtp_port: table.take_with("smtp_port", None, optional_port),
        http_port: table.take_with("http_port", None, optional_port),
        https_port: table.take_with("https_port", None, optional_port),
    }
}
