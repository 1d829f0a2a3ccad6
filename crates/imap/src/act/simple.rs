//! Commands of one step: `CAPABILITY`, `NOOP`, `ID`, `ENABLE`, `LOGOUT`, `STARTTLS`.

use super::job::{Context, Event, Job, Step};
use crate::respond::{Completion, string};
use crate::settings::{PushOffer, Settings, Transport};
use crate::state::{Freshness, State, Tracking};

/// The job of `CAPABILITY` (RFC 3501 section 6.1.1).
#[derive(Debug)]
pub(super) struct Capability;

impl Job for Capability {
    fn step(&mut self, context: &mut Context<'_>, _: Event) -> Step {
        let list = capabilities(context.settings, context.transport, context.state);
        context.out.text(&format!("* CAPABILITY {list}\r\n"));
        Step::Done(Completion::ok("Capability completed"))
    }
}

/// The capabilities in this state. Relay's own tests want `XCHATMAIL` and `XDELTAPUSH` before login, too.
pub(crate) fn capabilities(settings: &Settings, transport: Transport, state: &State) -> String {
    let mut list = match (state, transport) {
        (State::NotAuthenticated, Transport::Plain) => {
            "IMAP4rev1 SASL-IR ID ENABLE IDLE LITERAL+ STARTTLS LOGINDISABLED"
        }
        (State::NotAuthenticated, Transport::Tls) => "IMAP4rev1 SASL-IR ID ENABLE IDLE LITERAL+ AUTH=PLAIN",
        _ => {
            "IMAP4rev1 SASL-IR ID ENABLE IDLE LITERAL+ NAMESPACE CHILDREN SPECIAL-USE CREATE-SPECIAL-USE \
             LIST-EXTENDED LIST-STATUS STATUS=SIZE ESEARCH UNSELECT UIDPLUS MOVE CONDSTORE QRESYNC QUOTA METADATA"
        }
    }
    .to_owned();
    if settings.push == PushOffer::Offered {
        list.push_str(" XDELTAPUSH");
    }
    list.push_str(" XCHATMAIL");
    list
}

/// The job of `NOOP` (RFC 3501 section 6.1.2), and of `CHECK`, for which there is nothing to do: what was acknowledged is on
/// disk (section 6.4.1). With the text of the completion.
#[derive(Debug)]
pub(super) struct Noop(pub(super) &'static str);

impl Job for Noop {
    fn step(&mut self, context: &mut Context<'_>, _: Event) -> Step {
        // Changes are asked for even if none was reported: polling is the purpose of the command.
        *context.freshness = Freshness::Stale;
        Step::Done(Completion::ok(self.0))
    }
}

/// The job of `ID` (RFC 2971).
#[derive(Debug)]
pub(super) struct Id;

impl Job for Id {
    fn step(&mut self, context: &mut Context<'_>, _: Event) -> Step {
        context.out.text("* ID (\"name\" ");
        context.out.bytes(&string(context.settings.product.as_bytes()));
        context.out.text(" \"version\" ");
        context.out.bytes(&string(context.settings.version.as_bytes()));
        context.out.text(")\r\n");
        Step::Done(Completion::ok("ID completed"))
    }
}

/// The job of `ENABLE` (RFC 5161); other names than these two are ignored.
#[derive(Debug)]
pub(super) struct Enable(pub(super) Vec<String>);

impl Job for Enable {
    fn step(&mut self, context: &mut Context<'_>, _: Event) -> Step {
        let mut enabled = String::new();
        for name in &self.0 {
            match name.as_str() {
                "CONDSTORE" => context.track_modseqs(),
                "QRESYNC" => {
                    context.track_modseqs();
                    *context.tracking = Tracking::Qresync;
                }
                _ => continue,
            }
            enabled.push(' ');
            enabled.push_str(name);
        }
        context.out.text(&format!("* ENABLED{enabled}\r\n"));
        Step::Done(Completion::ok("Enable completed"))
    }
}

/// The job of `LOGOUT` (RFC 3501 section 6.1.3).
#[derive(Debug)]
pub(super) struct Logout;

impl Job for Logout {
    fn step(&mut self, context: &mut Context<'_>, _: Event) -> Step {
        context.out.text("* BYE Logging out\r\n");
        Step::Logout(Completion::ok("Logout completed"))
    }
}

/// The job of `STARTTLS` (RFC 3501 section 6.2.1).
#[derive(Debug)]
pub(super) struct StartTls;

impl Job for StartTls {
    fn step(&mut self, context: &mut Context<'_>, _: Event) -> Step {
        match context.transport {
            Transport::Plain => Step::StartTls(Completion::ok("Begin TLS negotiation now.")),
            Transport::Tls => Step::Done(Completion::bad("TLS is active already.")),
        }
    }
}
