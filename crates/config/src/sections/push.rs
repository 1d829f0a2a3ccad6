//! `[push]`: the push service.

use crate::defaults;
use crate::finding::Severity;
use crate::model::PushSettings;
use crate::reader::Reader;
use crate::values::{optional_roots, optional_service};

pub(crate) fn push(table: &mut Reader) -> PushSettings {
    let push = PushSettings {
        // Tokens identify devices, so they leave the machine encrypted only.
        service: table.take_with("url", defaults::PUSH_URL.parse().ok(), optional_service),
        roots: table.take_with("roots", None, optional_roots),
    };
    if push.service.is_none() && push.roots.is_some() {
        let advice = "Remove the line, or give a url.";
        table.report("roots", Severity::Warning, "Roots are of no use while push is off.", advice);
    }
    push
}
