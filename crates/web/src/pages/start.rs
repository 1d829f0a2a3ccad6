//! The start page, in the home network and outside of it.
//!
//! A person who knows nothing about servers stands before it: it says what this is, what to do now, and nothing else.

use ipc::control::NamingStatus;
use maud::{Markup, html};
use pairing::{DisplayStatus, LedState, PairingCode};
use relay_policy::Registration;

use super::{Page, Width, naming_parts, open_button, qr_code};
use crate::request::PageContext;
use crate::site::{Certificate, Site};

/// The interval in which browsers load the start page again, in seconds, while its state changes by itself. Nobody is to
/// be hurried (WCAG 2.2, success criterion 2.2.1): the page says that it does so, and twenty seconds are the least time
/// that a person must have to switch it off.
const REFRESH_SECONDS: u32 = 20;
/// The query of the page that stays as it is.
const STILL: &str = "still";

/// Whether the page loads itself again while its state changes by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reload {
    /// It does.
    Automatic,
    /// The person has switched it off.
    Off,
}

impl Reload {
    /// The choice in the page's query.
    pub(crate) fn from_query(query: Option<&str>) -> Self {
        if query == Some(STILL) { Self::Off } else { Self::Automatic }
    }

    /// The page's words about it.
    fn html(self) -> Markup {
        match self {
            Self::Automatic => html! {
                p {
                    "This page loads itself again every " (REFRESH_SECONDS) " seconds. "
                    a href={ "/?" (STILL) } { "Let it stay as it is" }
                }
            },
            Self::Off => html! {
                p {
                    "This page stays as it is. " a href={ "/?" (STILL) } { "Load it again" } " or "
                    a href="/" { "let it load itself" }
                }
            },
        }
    }
}

/// The way to join at the time of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PageState<'a> {
    /// The server is not reachable yet.
    Starting,
    /// By this code.
    Code(&'a PairingCode),
    /// By a code that a press of the button brings up.
    ButtonNeeded,
    /// By a code that the page `/new` makes.
    Open,
    /// By an invite.
    InviteNeeded,
    /// In no way.
    Closed,
}

impl<'a> PageState<'a> {
    fn of(status: &'a DisplayStatus, registration: Registration) -> Self {
        match (&status.code, status.led, registration) {
            (_, LedState::Booting | LedState::WaitingForNetwork, _) => Self::Starting,
            (Some(invitation), _, _) => Self::Code(invitation),
            (None, _, Registration::Pairing) => Self::ButtonNeeded,
            (None, _, Registration::Open) => Self::Open,
            (None, _, Registration::Invite) => Self::InviteNeeded,
            (None, _, Registration::Closed) => Self::Closed,
        }
    }

    fn html(self, site: &Site, accounts: usize) -> Markup {
        match self {
            Self::Starting => html! {
                h1 { "Just a moment" }
                p {
                    "The box is starting, or waiting for the router to give it an address. This page goes on by itself."
                }
                p.soft { "Longer than three minutes? Check the cable between the box and the router." }
            },
            Self::Code(invitation) => code(site, invitation, accounts),
            Self::ButtonNeeded => html! {
                h1 { "Add a person or a device" }
                p {
                    "This is your home’s own chat server. To let somebody join, "
                    strong { "press the button on the box" } ". For five minutes there is a code then."
                }
                p { a.button href="/" { "Show the code" } }
                p.soft {
                    "No button? Any key of a keyboard that is plugged into the box will do, and on an ordinary \
                    computer the command " code { "hearth pair" } "."
                }
            },
            Self::Open => html! {
                h1 { "Join the chat" }
                p { "This is a home’s own chat server, and everybody here may join." }
                p { a.button href="/new" { "Make me a profile" } }
            },
            Self::InviteNeeded => html! {
                h1 { "Join by invite" }
                p {
                    "This is a home’s own chat server. To join you need an invite: ask the person who looks after the \
                    box."
                }
            },
            Self::Closed => html! {
                h1 { "Nobody new for now" }
                p {
                    "This is a home’s own chat server. It takes no new people at the moment; everybody who is here \
                    goes on as usual. The person who looks after the box can change that."
                }
            },
        }
    }
}

/// True while the state changes without anything that a person does: the others change by a press of the button, or by a
/// change of the configuration.
fn changes_by_itself(state: PageState<'_>, led: LedState) -> bool {
    matches!(state, PageState::Starting | PageState::Code(_)) || led == LedState::AccountCreated
}

/// The start page; outside of the home network it has neither code nor state.
pub(crate) fn start(context: &PageContext<'_>, from_home: bool, reload: Reload) -> String {
    let PageContext { site, status, naming } = context;
    if !from_home {
        return outside(&status.name);
    }
    let state = PageState::of(status, site.registration);
    let changing = changes_by_itself(state, status.led);
    let main = html! {
        @for trouble in &status.troubles {
            p.note role="alert" { (trouble) }
        }
        @if status.led == LedState::AccountCreated {
            p.note.good role="status" { "A new profile has joined. Welcome!" }
        }
        (state.html(site, status.accounts))
        @if !site.former_domains.is_empty() { (moving(site, status.code.is_some())) }
    };
    Page {
        title: &status.name,
        name: &status.name,
        refresh: (changing && reload == Reload::Automatic).then_some(REFRESH_SECONDS),
        width: if status.code.is_some() { Width::Wide } else { Width::Text },
        main,
        bottom: html! {
            @if changing { (reload.html()) }
            (details(status, naming.as_ref()))
        },
    }
    .html()
}

fn outside(name: &str) -> String {
    let main = html! {
        h1 { "A home’s own chat server" }
        p {
            "It carries the end-to-end encrypted messages of the people who live here, and nobody else’s. They use "
            a href="https://delta.chat" { "Delta Chat" } "."
        }
        p { "Joining works from inside the home network." }
    };
    Page::text(name, name, main).html()
}

/// The code, the same as a link for the phone that shows it, and the way to use either.
fn code(site: &Site, invitation: &PairingCode, accounts: usize) -> Markup {
    let PairingCode { link, closes } = invitation;
    html! {
        h1 {
            @if accounts == 0 { "Welcome! Let’s add the first person" } @else { "Join the chat of this home" }
        }
        p { "Each code makes one profile, for one person. The window closes " (closes) "." }
        div.beside {
            div.card.code {
                (qr_code(link))
                p { "On the phone that joins, tap here instead:" }
                (open_button(link))
            }
            (steps(site))
        }
    }
}

/// The way for a profile that was made before the box got its name. Its old address stays, and works in the home; the new
/// one is a second relay of the same profile.
fn moving(site: &Site, has_code: bool) -> Markup {
    html! {
        section.card {
            h2 { "Is your profile older than the name " (site.domain) "?" }
            p {
                "Addresses that end with " (site.former_domains.join(", ")) " work inside the home only. Your profile can \
                have the new address besides, and keeps its chats and contacts: in Delta Chat open "
                em { "Settings" } ", " em { "Advanced" } ", " em { "Relays" } ", tap the plus, and scan "
                @if has_code { "the code above." } @else { "the code that this page shows after a press of the button." }
                " From then on the app uses both; friends outside reach you at the new one."
            }
        }
    }
}

fn steps(site: &Site) -> Markup {
    html! {
        ol.steps {
            li {
                strong { "Install Delta Chat" }
                "It is free, for phones and computers: " a href="https://get.delta.chat" { "get.delta.chat" } ", or \
                your app store."
            }
            li {
                strong { "Scan this code with it" }
                "In the app: " em { "Create New Profile" } ", " em { "Use Other Server" } ", "
                em { "Scan Invitation Code" } "."
                // With such a certificate the code names the box by its name.
                @if site.certificate() == Certificate::SelfSigned { " The phone must be in the home’s Wi-Fi." }
            }
            li {
                strong { "Done" }
                "Type your name, and chat. The app keeps the password; there is nothing to write down. To find each \
                other, one scans the other’s code in the app."
            }
        }
    }
}

/// The state of the box, for the bottom of the page.
fn details(status: &DisplayStatus, naming: Option<&NamingStatus>) -> Markup {
    let addresses: Vec<String> = status.addresses.iter().map(ToString::to_string).collect();
    html! {
        dl.state {
            dt { "State" }
            dd { (status.led.words()) }
            dt { "Address" }
            dd { @if addresses.is_empty() { "none yet" } @else { (addresses.join(", ")) } }
            @if let Some(naming) = naming {
                dt { "Name" }
                dd { (naming.domain) }
                (naming_parts(naming))
            }
            dt { "Profiles" }
            dd { (status.accounts) }
            dt { "Network" }
            dd { a href="/network" { "Can others reach this box?" } }
            dt { "Version" }
            dd { "Hearth " (status.version) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes::tests::site;

    fn status(led: LedState, invitation: Option<PairingCode>) -> DisplayStatus {
        DisplayStatus {
            name: "hearth-1a2b.local".into(),
            addresses: vec!["192.168.1.7".parse().unwrap()],
            led,
            accounts: 2,
            version: "0.1.0".into(),
            troubles: Vec::new(),
            code: invitation,
        }
    }

    fn context(site: &Site, status: DisplayStatus) -> PageContext<'_> {
        PageContext { site, status, naming: None }
    }

    #[test]
    fn the_state_of_the_name_is_shown_at_home() {
        let site = site(Certificate::Trusted);
        let naming = NamingStatus {
            domain: "smith.example".into(),
            certificate: "A certificate is in use.".into(),
            records: None,
            tunnel: Some("The other end answers.".into()),
            ports: Some("It forwards <all>.".into()),
            addresses: None,
        };
        let context = PageContext { naming: Some(naming), ..context(&site, status(LedState::Ready, None)) };
        let page = start(&context, true, Reload::Automatic);
        for expected in [
            "smith.example",
            "A certificate is in use.",
            "<dt>Tunnel</dt><dd>The other end answers.",
            "<dt>Router</dt><dd>It forwards &lt;all&gt;.",
        ] {
            assert!(page.contains(expected), "{expected}: {page}");
        }
        assert!(!page.contains("Records"), "{page}");
        assert!(!start(&context, false, Reload::Automatic).contains("A certificate"));
    }

    #[test]
    fn each_state_of_the_box_has_its_heading() {
        let invitation = PairingCode { link: "dclogin:x?p=1&v=1".into(), closes: "in 5 minutes".into() };
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
            let html = start(&context(&site, status), true, Reload::Automatic);
            assert!(html.contains(expected), "{led:?} {registration:?}: {html}");
        }
    }

    #[test]
    fn profiles_from_before_the_name_are_shown_the_way_to_it() {
        let named = Site {
            domain: "smith.example".into(),
            former_domains: vec!["hearth-1a2b.local".into()],
            ..site(Certificate::Trusted)
        };
        let page = |site: &Site, from_home| {
            start(&context(site, status(LedState::Ready, None)), from_home, Reload::Automatic)
        };
        assert!(page(&named, true).contains("older than the name smith.example?"));
        assert!(!page(&named, false).contains("older than"));
        assert!(!page(&site(Certificate::Trusted), true).contains("older than"));
    }

    #[test]
    fn the_page_reloads_only_while_something_changes_by_itself_and_nobody_has_switched_it_off() {
        const REFRESH: &str = "http-equiv=\"refresh\" content=\"20\"";
        let code = || Some(PairingCode { link: "dclogin:x?p=1&v=1".into(), closes: "in 5 minutes".into() });
        for (led, code, changing) in [
            (LedState::Booting, None, true),
            (LedState::WaitingForNetwork, None, true),
            (LedState::PairingOpen, code(), true),
            (LedState::NeedsAttention, code(), true),
            (LedState::AccountCreated, None, true),
            (LedState::Ready, None, false),
            (LedState::NeedsAttention, None, false),
        ] {
            let (site, status) = (site(Certificate::SelfSigned), status(led, code));
            let page = |query| start(&context(&site, status.clone()), true, Reload::from_query(query));
            assert_eq!(page(None).contains(REFRESH), changing, "{led:?}");
            assert_eq!(page(None).contains("href=\"/?still\""), changing, "{led:?}");
            assert!(!page(Some("still")).contains("http-equiv"), "{led:?}");
            assert_eq!(page(Some("still")).contains("stays as it is"), changing, "{led:?}");
        }
        let status = status(LedState::Booting, None);
        assert!(
            !start(&context(&site(Certificate::SelfSigned), status), false, Reload::Automatic)
                .contains("http-equiv")
        );
    }
}
