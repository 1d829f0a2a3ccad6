//! `[tls]`: the source of the certificate.

use crate::finding::Severity;
use crate::model::Tls;
use crate::reader::Reader;
use crate::values::{certificate_names, optional_path};

pub(crate) fn tls(table: &mut Reader) -> Tls {
    let certificate = table.take_with("certificate", None, optional_path);
    let key = table.take_with("key", None, optional_path);
    let names = table.take_with("names", Vec::new(), certificate_names);
    match (certificate, key) {
        (Some(certificate), Some(key)) => {
            if !names.is_empty() {
                let advice = "Remove the line: the certificate's file says what names it has.";
                table.report(
                    "names",
                    Severity::Warning,
                    "Names belong to a self-signed certificate.",
                    advice,
                );
            }
            Tls::Files { certificate, key }
        }
        (None, None) => Tls::SelfSigned { names },
        (certificate, _) => {
            let (given, missing) =
                if certificate.is_some() { ("certificate", "key") } else { ("key", "certificate") };
            let advice = "Give both, or neither for a self-signed certificate.";
            table.report(missing, Severity::Error, format!("There is a {given} but no {missing}."), advice);
            Tls::SelfSigned { names }
        }
    }
}
