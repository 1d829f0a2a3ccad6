//! `hearth invite`: asks the running server, and shows what it says.

use std::io::Write;
use std::process::ExitCode;

use ipc::control::{InviteState, KeptInvite, NewInvite, Request, Response};
use time::OffsetDateTime;

use super::control_client::{unexpected, with_server};
use crate::cli::InviteCommand;

/// Carries a command out.
pub(crate) fn run(command: &InviteCommand) -> anyhow::Result<ExitCode> {
    match command {
        InviteCommand::New { config, uses, expires, json } => {
            let request = Request::MakeInvite { uses: *uses, lifetime: *expires };
            with_server(&config.path, &request, |response, out| match response {
                Response::Invite(invite) if *json => {
                    writeln!(out, "{}", serde_json::to_string_pretty(&invite)?)
                }
                Response::Invite(invite) => show(&invite, out),
                other => unexpected(&other),
            })
        }
        InviteCommand::List { config, json } => {
            with_server(&config.path, &Request::Invites, |response, out| match response {
                Response::Invites(invites) if *json => {
                    writeln!(out, "{}", serde_json::to_string_pretty(&invites)?)
                }
                Response::Invites(invites) => list(&invites, out),
                other => unexpected(&other),
            })
        }
        InviteCommand::Revoke { config, id } => {
            with_server(&config.path, &Request::RevokeInvite(id.clone()), |response, out| match response {
                Response::Revoked => writeln!(out, "The invite {id} lets nobody in any more."),
                other => unexpected(&other),
            })
        }
    }
}

fn show(invite: &NewInvite, out: &mut dyn Write) -> std::io::Result<()> {
    let NewInvite { id, uses, expires, link, page } = invite;
    let people = if *uses == 1 { "1 person".to_owned() } else { format!("{uses} people") };
    let end = date_time(*expires);
    writeln!(out, "Invite {id} lets {people} in until {end}. This is shown only once.\n")?;
    let for_app = page.as_ref() != Some(link);
    let how = if for_app { "Scan with Delta Chat:" } else { "Scan with a phone's camera:" };
    let code = pairing::half_blocks(link).map_err(std::io::Error::other)?;
    writeln!(out, "{how}\n\n{code}\nInvite link: {link}")?;
    match page {
        Some(page) if for_app => writeln!(out, "For a browser: {page}"),
        _ => Ok(()),
    }
}

fn list(invites: &[KeptInvite], out: &mut dyn Write) -> std::io::Result<()> {
    if invites.is_empty() {
        return writeln!(out, "There are no invites. `hearth invite new` makes one.");
    }
    writeln!(out, "{:<10}{:<11}{:<22}STATE", "ID", "USES LEFT", "ENDS")?;
    for KeptInvite { id, uses_left, expires, state } in invites {
        let state = match state {
            InviteState::Valid => "valid",
            InviteState::UsedUp => "used up",
            InviteState::Expired => "expired",
        };
        writeln!(out, "{id:<10}{uses_left:<11}{:<22}{state}", date_time(*expires))?;
    }
    Ok(())
}

/// A time as people read it: `2026-12-01 08:30 UTC`.
fn date_time(seconds: u64) -> String {
    let time =
        i64::try_from(seconds).ok().and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    time.map_or("an unknown time".to_owned(), |time| {
        let (hour, minute, _) = time.to_hms();
        format!("{} {hour:02}:{minute:02} UTC", time.date())
    })
}

#[cfg(test)]
mod tests {
    use ipc::control::{InviteState, KeptInvite, NewInvite};

    use super::{date_time, list, show};

    #[test]
    fn a_new_invite_is_told_with_a_code_for_whoever_can_use_it() {
        let told = |link: &str, page: &str| {
            let mut out = Vec::new();
            let invite = NewInvite {
                id: "3f2a9c01".into(),
                uses: 1,
                expires: 1_796_113_800,
                link: link.into(),
                page: Some(page.into()),
            };
            show(&invite, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        let for_app = told("DCACCOUNT:https://a/new?t=x", "https://a/invite?t=x");
        assert!(
            for_app.starts_with("Invite 3f2a9c01 lets 1 person in until 2026-12-01 08:30 UTC."),
            "{for_app}"
        );
        assert!(for_app.contains("\nScan with Delta Chat:"), "{for_app}");
        assert!(
            for_app
                .ends_with("Invite link: DCACCOUNT:https://a/new?t=x\nFor a browser: https://a/invite?t=x\n")
        );
        let for_browser = told("http://a/invite?t=x", "http://a/invite?t=x");
        assert!(for_browser.contains("\nScan with a phone's camera:"), "{for_browser}");
        assert!(for_browser.ends_with("Invite link: http://a/invite?t=x\n"), "{for_browser}");
    }

    #[test]
    fn the_list_is_a_table() {
        let mut out = Vec::new();
        let invite = KeptInvite {
            id: "3f2a9c01".into(),
            uses_left: 0,
            expires: 1_796_113_800,
            state: InviteState::UsedUp,
        };
        list(&[invite], &mut out).unwrap();
        let expected = "ID        USES LEFT  ENDS                  STATE\n\
                        3f2a9c01  0          2026-12-01 08:30 UTC  used up\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn times_of_any_size_are_told() {
        assert_eq!(date_time(0), "1970-01-01 00:00 UTC");
        assert_eq!(date_time(u64::MAX), "an unknown time");
    }
}
