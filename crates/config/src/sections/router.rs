//! `[router]`: the router between the server and the internet.

use crate::model::Router;
use crate::reader::Reader;

pub(crate) fn router(table: &mut Reader) -> Router {
    Router { port_mapping: table.take("port_mapping", false) }
}
