//! The pages of an invite: its terms, the way to redeem it, and the new account's code.

use maud::{Markup, html};
use relay_policy::{InviteToken, JoinRefusal};

use super::{Page, open_button, qr_code};
use crate::invite::{Links, page_path};
use crate::join;
use crate::site::Site;

/// The download page of the app.
const APP: &str = "https://delta.chat/download";

/// The page that an invite's link opens. It redeems nothing by itself.
pub(crate) fn invitation(site: &Site, links: &Links, token: &InviteToken) -> String {
    let main = html! {
        h1 { "You are invited" }
        p {
            (site.domain) " is a household's own server for " a href=(APP) { "Delta Chat" } ", an app for encrypted \
            messages. This invite makes you an account on it."
        }
        ol {
            li { "Install " a href=(APP) { "Delta Chat" } ", if you do not have it yet." }
            @if links.app.is_some() {
                li { "Tap the button on the device that has the app, or scan the code with the app." }
            } @else {
                li { "Make the account; the page after this one brings it into the app." }
            }
        }
        @if let Some(link) = &links.app {
            (open_button(link))
            (card(link))
        } @else {
            // The invite is in the address that the form is sent to, so that no request's body is ever read.
            form method="post" action=(page_path(token)) { p { button.button { "Make my account" } } }
        }
    };
    Page::text(&format!("Invite to {}", site.domain), &site.domain, main).html()
}

/// The page of the account that an invite made, shown once: afterwards the invite is used up.
pub(crate) fn welcome(site: &Site, login_link: &str) -> String {
    let advice = "Do it now: this page is shown only once, and the code in it is as good as the password.";
    login(site, "Your account is ready", advice, login_link)
}

/// The page of fresh credentials; the first login with them makes the account.
pub(crate) fn fresh_code(site: &Site, login_link: &str) -> String {
    let advice = "Show the code to nobody: it is as good as the password of the account that it makes. Whenever this \
                  page is opened anew, it makes another code, for another account; those that nobody uses make none.";
    login(site, "Here is your code", advice, login_link)
}

fn login(site: &Site, heading: &str, advice: &str, login_link: &str) -> String {
    let main = html! {
        h1 { (heading) }
        p { "Tap the button on the device that has Delta Chat, or scan the code with the app. " (advice) }
        (open_button(login_link))
        (card(login_link))
    };
    Page::text(&format!("Welcome to {}", site.domain), &site.domain, main).html()
}

/// The page that refuses an account.
pub(crate) fn refused(site: &Site, refusal: JoinRefusal) -> String {
    let main = html! {
        h1 { "No account this time" }
        p { (join::words(refusal)) }
        p { a href="/" { "Start page" } }
    };
    Page::text(&format!("Invite to {}", site.domain), &site.domain, main).html()
}

fn card(link: &str) -> Markup {
    html! { div.card.code { (qr_code(link)) } }
}
