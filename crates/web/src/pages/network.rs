//! The page about the network: whether others can reach the box, and it them. It is for the home network only.

use ipc::control::NamingStatus;
use ipc::reachability::{Finding, FindingState};
use maud::{Markup, html};

use super::{Page, naming_parts};
use crate::site::Site;

/// The page; without findings it only offers a look.
pub(crate) fn network(site: &Site, naming: Option<&NamingStatus>, findings: Option<&[Finding]>) -> String {
    let main = html! {
        h1 { "Can others reach this box?" }
        @if let Some(naming) = naming {
            section.card {
                h2 { "The name " (naming.domain) }
                dl.state { (naming_parts(naming)) }
            }
        }
        p {
            "The box looks whether its name leads to it, whether its certificate is believed, which of its ports answer, \
            and whether it can reach another server. It asks nobody to connect from outside."
        }
        @match findings {
            Some(findings) => { @for finding in findings { (in_words(finding)) } }
            None => {
                form method="post" action="/network" {
                    button.button { "Look now" }
                }
                p.soft { "That takes up to half a minute." }
            }
        }
        p.soft { "The records of the domain are listed and compared by " code { "hearth dns" } "." }
    };
    Page::text("Network", &site.domain, main).html()
}

fn in_words(finding: &Finding) -> Markup {
    let Finding { subject, state, sentence, advice } = finding;
    let (mark, class) = match state {
        FindingState::Good => ("Good", "note good"),
        FindingState::Note => ("Could be better", "note"),
        FindingState::Bad => ("Wrong", "note"),
        FindingState::Unknown => ("Not known", "note"),
    };
    html! {
        p class=(class) {
            strong { (subject) ": " (mark) }
            br;
            (sentence)
            @if let Some(advice) = advice { " " (advice) }
        }
    }
}

#[cfg(test)]
mod tests {
    use ipc::reachability::{Finding, FindingState};

    use super::network;
    use crate::routes::tests::site;
    use crate::site::Certificate;

    #[test]
    fn findings_are_told_with_their_advice_and_a_look_is_offered_without() {
        let site = site(Certificate::SelfSigned);
        let offer = network(&site, None, None);
        assert!(offer.contains("<form method=\"post\" action=\"/network\">"), "{offer}");
        let finding = Finding {
            subject: "Port 25".into(),
            state: FindingState::Bad,
            sentence: "<nothing> answers.".into(),
            advice: Some("Open it.".into()),
        };
        let page = network(&site, None, Some(&[finding]));
        assert!(page.contains("Port 25: Wrong"), "{page}");
        assert!(page.contains("&lt;nothing&gt; answers. Open it."), "{page}");
        assert!(!page.contains("<form"), "{page}");
    }
}
