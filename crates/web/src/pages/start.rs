//! The start page, and the one that greets somebody with an account of their own.
//!
//! A person who knows nothing about servers stands before it: it says what this is, what to do now, and nothing else.

use pairing::{Invitation, LedState, Status};
use relay_policy::Registration;

use super::{Page, Width, escape};
use crate::site::Site;

/// How often the start page asks again, in seconds: a press of the button, and a code that is used up, show by
/// themselves.
const REFRESH: u32 = 5;

/// What the page is about right now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PageState<'a> {
    /// Nobody can connect yet.
    Starting,
    /// Somebody may join by this code.
    Code(&'a Invitation),
    /// Somebody may join after a press of the button.
    PressFirst,
    /// Anybody may join.
    Anybody,
    /// Only whoever has an invite may join.
    InviteOnly,
    /// Nobody may join.
    Closed,
}

impl<'a> PageState<'a> {
    fn of(status: &'a Status, registration: Registration) -> Self {
        match (&status.invitation, status.led, registration) {
            (_, LedState::Booting | LedState::WaitingForNetwork, _) => Self::Starting,
            (Some(invitation), _, _) => Self::Code(invitation),
            (None, _, Registration::Pairing) => Self::PressFirst,
            (None, _, Registration::Open) => Self::Anybody,
            (None, _, Registration::Invite) => Self::InviteOnly,
            (None, _, Registration::Closed) => Self::Closed,
        }
    }

    fn html(self, accounts: usize) -> String {
        match self {
            Self::Starting => paragraphs(
                "Just a moment",
                "<p>The box is starting, or waiting for the router to give it an address. This page goes on by itself.</p>\
                 <p class=\"soft\">Longer than three minutes? Check the cable between the box and the router.</p>",
            ),
            Self::Code(invitation) => code(invitation, accounts),
            Self::PressFirst => paragraphs(
                "Add a person or a device",
                "<p>This is your home’s own chat server. To let somebody join, <strong>press the button on the \
                 box</strong>: a code appears here for five minutes.</p><p class=\"soft\">No button? Any key of a \
                 keyboard that is plugged into the box will do, and on an ordinary computer the command \
                 <code>hearth pair</code>.</p>",
            ),
            Self::Anybody => paragraphs(
                "Join the chat",
                "<p>This is a home’s own chat server, and everybody here may join.</p>\
                 <p><a class=\"button\" href=\"/new\">Make me a profile</a></p>",
            ),
            Self::InviteOnly => paragraphs(
                "Join by invite",
                "<p>This is a home’s own chat server. To join you need an invite: ask the person who looks after the box.</p>",
            ),
            Self::Closed => paragraphs(
                "Nobody new for now",
                "<p>This is a home’s own chat server. It takes no new people at the moment; everybody who is here goes \
                 on as usual. The person who looks after the box can change that.</p>",
            ),
        }
    }
}

/// The start page; the code is shown to the home network only.
pub(crate) fn start(site: &Site, status: &Status, from_home: bool) -> String {
    if !from_home {
        return stranger(&status.name);
    }
    let mut main = String::new();
    for trouble in &status.troubles {
        main.push_str(&format!("<p class=\"note\" role=\"alert\">{}</p>", escape(trouble)));
    }
    if status.led == LedState::AccountCreated {
        main.push_str("<p class=\"note good\" role=\"status\">A new profile has joined. Welcome!</p>");
    }
    main.push_str(&PageState::of(status, site.registration).html(status.accounts));
    Page {
        title: &status.name,
        name: &status.name,
        refresh: Some(REFRESH),
        width: if status.invitation.is_some() { Width::Wide } else { Width::Text },
        main: &main,
        bottom: &state(status),
    }
    .html()
}

fn stranger(name: &str) -> String {
    let main = "<h1>A home’s own chat server</h1><p>It carries the end-to-end encrypted messages of the people who live \
                here, and nobody else’s. They use <a href=\"https://delta.chat\">Delta Chat</a>.</p><p>Joining works \
                from inside the home network.</p>";
    Page { title: name, name, refresh: None, width: Width::Text, main, bottom: "" }.html()
}

fn paragraphs(heading: &str, html: &str) -> String {
    format!("<h1>{heading}</h1>{html}")
}

fn code(invitation: &Invitation, accounts: usize) -> String {
    let heading =
        if accounts == 0 { "Welcome! Let’s add the first person" } else { "Join the chat of this home" };
    let closes = escape(&invitation.closes);
    format!(
        "<h1>{heading}</h1><p>Each code makes one profile, for one person. The window closes {closes}.</p>{}",
        joining(&invitation.link)
    )
}

/// The code, the same as a link for the phone that shows it, and the way to use either.
fn joining(link: &str) -> String {
    let code = pairing::svg(link).unwrap_or_else(|error| format!("<p>{}</p>", escape(&error.to_string())));
    let link = escape(link);
    format!(
        "<div class=\"beside\"><div class=\"card code\">{code}\
         <p>On the phone that joins, tap here instead:</p>\
         <p><a class=\"button\" href=\"{link}\">Open in Delta Chat</a></p></div>\
         <ol class=\"steps\"><li><strong>Install Delta Chat</strong>It is free, for phones and computers: \
         <a href=\"https://get.delta.chat\">get.delta.chat</a>, or your app store.</li>\
         <li><strong>Scan this code with it</strong>In the app: <em>Create New Profile</em>, <em>Use Other Server</em>, \
         <em>Scan Invitation Code</em>. The phone must be in the home’s Wi-Fi.</li>\
         <li><strong>Done</strong>Type your name, and chat. The app keeps the password; there is nothing to write \
         down. To find each other, one scans the other’s code in the app.</li></ol></div>"
    )
}

fn state(status: &Status) -> String {
    let addresses: Vec<String> = status.addresses.iter().map(ToString::to_string).collect();
    let addresses = if addresses.is_empty() { "none yet".to_owned() } else { addresses.join(", ") };
    format!(
        "<dl class=\"state\"><dt>State</dt><dd>{}</dd><dt>Address</dt><dd>{}</dd><dt>Profiles</dt><dd>{}</dd>\
         <dt>Version</dt><dd>Hearth {}</dd></dl>",
        escape(status.led.words()),
        escape(&addresses),
        status.accounts,
        escape(&status.version)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes::tests::site;
    use crate::site::Certificate;

    fn status(led: LedState, invitation: Option<Invitation>) -> Status {
        Status {
            name: "hearth-1a2b.local".into(),
            addresses: vec!["192.168.1.7".parse().unwrap()],
            led,
            accounts: 2,
            version: "0.1.0".into(),
            troubles: Vec::new(),
            invitation,
        }
    }

    #[test]
    fn each_state_of_the_box_has_its_heading() {
        let invitation = Invitation { link: "dclogin:x?p=1&v=1".into(), closes: "in 5 minutes".into() };
        for (led, invitation, registration, expected) in [
            (LedState::Booting, None, Registration::Pairing, "Just a moment"),
            (LedState::WaitingForNetwork, Some(invitation.clone()), Registration::Pairing, "Just a moment"),
            (LedState::PairingOpen, Some(invitation.clone()), Registration::Pairing, "closes in 5 minutes"),
            (LedState::AccountCreated, Some(invitation), Registration::Pairing, "has joined"),
            (LedState::Ready, None, Registration::Pairing, "press the button"),
            (LedState::NeedsAttention, None, Registration::Pairing, "press the button"),
            (LedState::Ready, None, Registration::Open, "everybody here may join"),
            (LedState::Ready, None, Registration::Invite, "you need an invite"),
            (LedState::Ready, None, Registration::Closed, "no new people"),
        ] {
            let status = status(led, invitation);
            let site = Site { registration, ..site(Certificate::SelfSigned) };
            let html = start(&site, &status, true);
            assert!(html.contains(expected), "{led:?} {registration:?}: {html}");
        }
    }
}
