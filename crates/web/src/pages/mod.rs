//! The pages' text: HTML that works without scripts and fetches nothing, in one frame and one style. Values are escaped
//! where they are put in, by the macro that makes the markup.

mod about;
mod autoconfig;
mod help;
mod invite;
mod network;
mod start;

use ipc::control::NamingStatus;
use maud::{DOCTYPE, Markup, PreEscaped, html};

pub(crate) use about::{info, privacy};
pub(crate) use autoconfig::autoconfig;
pub(crate) use help::{help, no_such_page, wrong_name};
pub(crate) use invite::{fresh_code, invitation, refused, welcome};
pub(crate) use network::network;
pub(crate) use start::{Reload, start};

const STYLE: &str = include_str!("style.css");

/// The path of the flame beside the name (SVG 2 section 9.3), in a square of 24 units.
const FLAME: &str =
    "M12 2c1 4 6 6.5 6 12a6 6 0 0 1-12 0c0-2.5 1.2-4 2.5-5.5.2 1.8.9 2.7 1.8 3C9.8 8 10.5 5 12 2z";
/// The icon of the browser's tab: the same flame as a `data:` URL (RFC 2397), so that nothing else is fetched.
const ICON: &str = "data:image/svg+xml,%3Csvg%20xmlns='http://www.w3.org/2000/svg'%20viewBox='0%200%2024%2024'%3E\
                    %3Cpath%20fill='%23d2571e'%20d='M12%202c1%204%206%206.5%206%2012a6%206%200%200%201-12%200c0-2.5\
                    %201.2-4%202.5-5.5.2%201.8.9%202.7%201.8%203C9.8%208%2010.5%205%2012%202z'/%3E%3C/svg%3E";

/// The width of a page's column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Width {
    /// A column of text.
    Text,
    /// Two columns beside each other, where the window is wide enough.
    Wide,
}

/// The parts of a page that differ from the other pages.
struct Page<'a> {
    /// The title, as the browser's tab shows it.
    title: &'a str,
    /// The server's name, above everything.
    name: &'a str,
    /// Seconds after which the browser loads the page again.
    refresh: Option<u32>,
    width: Width,
    /// The content, the `h1` included.
    main: Markup,
    /// The content above the links at the bottom.
    bottom: Markup,
}

/// The state of the server's name, for a list of terms and descriptions.
fn naming_parts(naming: &NamingStatus) -> Markup {
    html! {
        @for (heading, part) in naming.parts() {
            dt { (heading) }
            dd { (part) }
        }
    }
}

impl<'a> Page<'a> {
    /// A page of text that stays as it is.
    fn text(title: &'a str, name: &'a str, main: Markup) -> Self {
        Self { title, name, refresh: None, width: Width::Text, main, bottom: html! {} }
    }

    fn html(&self) -> String {
        html! {
            (DOCTYPE) "\n"
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width,initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (self.title) }
                    @if let Some(seconds) = self.refresh {
                        meta http-equiv="refresh" content=(seconds);
                    }
                    link rel="icon" href=(ICON);
                    style { (PreEscaped(STYLE)) }
                }
                body class=[(self.width == Width::Wide).then_some("wide")] {
                    header {
                        // The flame says nothing that the name beside it does not: screen readers skip it.
                        svg viewBox="0 0 24 24" aria-hidden="true" { path fill="currentColor" d=(FLAME) {} }
                        a href="/" { (self.name) }
                    }
                    main { (self.main) }
                    footer { (self.bottom) (links()) }
                }
            }
            "\n"
        }
        .into_string()
    }
}

fn links() -> Markup {
    html! {
        nav {
            a href="/" { "Start" }
            a href="/help.html" { "Help" }
            a href="/info.html" { "About this server" }
            a href="/privacy.html" { "Privacy" }
        }
    }
}

/// A link as a QR code, or the sentence that tells why it has none.
fn qr_code(link: &str) -> Markup {
    match pairing::svg(link) {
        Ok(svg) => PreEscaped(svg),
        Err(error) => html! { p { (error) } },
    }
}

/// The button that opens a link with the app, on the device that shows the page.
fn open_button(link: &str) -> Markup {
    html! { p { a.button href=(link) { "Open in Delta Chat" } } }
}

#[cfg(test)]
mod tests {
    use maud::html;

    use super::{FLAME, ICON, Page};

    #[test]
    fn the_icon_is_a_url_of_the_flame() {
        let data = ICON.strip_prefix("data:image/svg+xml,").unwrap();
        // RFC 3986 section 2: what is neither unreserved nor reserved is escaped, and so is "#", which ends a path.
        assert!(
            data.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%:/'=".contains(&byte)),
            "{data}"
        );
        let escapes = [("%20", " "), ("%23", "#"), ("%3C", "<"), ("%3E", ">")];
        let image = escapes.iter().fold(data.to_owned(), |text, (escape, c)| text.replace(escape, c));
        assert!(image.contains(&format!(" d='{FLAME}'/>")) && !image.contains('%'), "{image}");
    }

    #[test]
    fn nothing_escapes_into_markup() {
        let text = "<a href=\"x\" b='y'>&";
        let page = Page::text(text, text, html! { a href=(text) { (text) } }).html();
        assert_eq!(page.matches("&lt;a href=&quot;x&quot; b='y'&gt;&amp;").count(), 4, "{page}");
        assert!(!page.contains(text), "{page}");
    }
}
