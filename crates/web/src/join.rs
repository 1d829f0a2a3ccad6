//! The refusal of an account in the words of HTTP: its status code, and the sentence for the person.

use relay_policy::JoinRefusal;

/// The status code (RFC 9110 section 15).
pub(crate) fn status(refusal: JoinRefusal) -> u16 {
    match refusal {
        JoinRefusal::Closed | JoinRefusal::CodeNeeded | JoinRefusal::InviteNeeded | JoinRefusal::Unknown => {
            403
        }
        JoinRefusal::UsedUp | JoinRefusal::Expired => 410,
        // RFC 6585 section 4.
        JoinRefusal::TooManyGuesses => 429,
        JoinRefusal::Trouble => 500,
        JoinRefusal::Shortage => 503,
    }
}

/// The sentence for the person: clients show it as it is.
pub(crate) fn words(refusal: JoinRefusal) -> &'static str {
    match refusal {
        JoinRefusal::Closed => "This server takes nobody new at the moment.",
        JoinRefusal::CodeNeeded => {
            "New people come in by the code that the box shows after a press of its button, or by an invite."
        }
        JoinRefusal::InviteNeeded => "New people come in by invite. Ask whoever runs this server for one.",
        JoinRefusal::Unknown => {
            "This invite is not known here. Was all of it copied? If it was, ask for a new one."
        }
        JoinRefusal::UsedUp => "This invite has been used already. Ask for a new one.",
        JoinRefusal::Expired => "This invite has expired. Ask for a new one.",
        JoinRefusal::TooManyGuesses => {
            "Too many wrong invites came from this network. Try again in a minute."
        }
        JoinRefusal::Shortage => {
            "The server has no room for anybody new at the moment. Please tell whoever runs it."
        }
        JoinRefusal::Trouble => "The server is in trouble. Please try again later.",
    }
}

#[cfg(test)]
mod tests {
    use super::{JoinRefusal, status, words};

    #[test]
    fn a_refusal_is_a_sentence_with_an_error_status() {
        for refusal in [
            JoinRefusal::Closed,
            JoinRefusal::CodeNeeded,
            JoinRefusal::InviteNeeded,
            JoinRefusal::Unknown,
            JoinRefusal::UsedUp,
            JoinRefusal::Expired,
            JoinRefusal::TooManyGuesses,
            JoinRefusal::Shortage,
            JoinRefusal::Trouble,
        ] {
            assert!((400..600).contains(&status(refusal)) && words(refusal).ends_with('.'), "{refusal:?}");
        }
    }
}
