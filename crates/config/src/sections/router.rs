//! `[router]`: the router between the server and the internet.

use crate::model::Router;
use crate::reader::Reader;

fn service(text: String) -> Result<Option<String>, String> {
    let uri: http::Uri = match text.as_str() {
        "" => return Ok(None),
        text => text.parse().map_err(|_| format!("{text:?} is no web address."))?,
    };
    match (uri.scheme_str(), uri.host()) {
        (Some("https" | "http"), Some(_)) => Ok(Some(text)),
        _ => Err(format!("{text:?} does not begin with https:// and a host.")),
    }
}

pub(crate) fn router(table: &mut Reader) -> Router {
    Router {
        port_mapping: table.take("port_mapping", false),
        address_service: table.take_with("address_service", None, service),
    }
}
