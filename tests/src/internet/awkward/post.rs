//! `POST /mxdeliv` of the awkward server, as chatmail relays have it.

use super::rules::{Action, Stage};
use super::{Shared, Taken, Way, unstuffed};
use crate::internet::https::{Request, Response};
use crate::waiting::pause;

/// Takes a message, or does what the rules say; without an answer the connection is cut.
pub(super) fn take(request: &Request, shared: &Shared) -> Option<Response> {
    if request.path != "/mxdeliv" {
        return Some(Response::new(404, "Not Found"));
    }
    if request.method != "POST" {
        return Some(Response::new(405, "Method Not Allowed"));
    }
    let values = |wanted| request.values(wanted).map(str::to_owned);
    let mut taken = Taken {
        from: values("X-MAIL-FROM").next().unwrap_or_default(),
        to: values("X-MAIL-TO").collect(),
        message: unstuffed(&request.body),
        way: Way::Post,
        told: true,
    };
    match shared.rules.meet(Stage::Post) {
        Some(Action::Answer(line)) => {
            let (status, body) = line.split_once(' ').unwrap_or((&line, ""));
            Some(Response::new(status.parse().unwrap_or(500), body))
        }
        Some(Action::Cut) => None,
        Some(Action::TakeAndCut) => {
            taken.told = false;
            shared.taken().push(taken);
            None
        }
        Some(Action::Silence) => Some(Response::Never),
        Some(Action::Wait(time)) => {
            pause(time);
            shared.taken().push(taken);
            Some(Response::new(200, "250 OK"))
        }
        None => {
            shared.taken().push(taken);
            Some(Response::new(200, "250 OK"))
        }
    }
}
