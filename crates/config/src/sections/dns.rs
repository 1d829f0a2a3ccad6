//! `[dns]`: the name servers.

use crate::model::Dns;
use crate::reader::Reader;
use crate::values::socket_addresses;

pub(crate) fn dns(table: &mut Reader) -> Dns {
    Dns { servers: table.take_with("servers", Vec::new(), socket_addresses) }
}
