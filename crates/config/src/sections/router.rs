//! `[router]`: the router between the server and the internet.

use crate::model::Router;
use crate::reader::Reader;
use crate::values::web_address;

pub(crate) fn router(table: &mut Reader) -> Router {
    Router {
        port_mapping: table.take("port_mapping", false),
        address_service: table.take_with("address_service", None, service),
    }
}

fn service(text: String) -> Result<Option<String>, String> {
    match text.as_str() {
        "" => Ok(None),
        _ if web_address(&text, &["https", "http"]).is_some() => Ok(Some(text)),
        _ => Err(format!("{text:?} does not begin with https:// and a host.")),
    }
}
