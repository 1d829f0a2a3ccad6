//! The pages' text: plain HTML that works without scripts and fetches nothing, in one frame and one style.

mod about;
mod autoconfig;
mod help;
mod invite;
mod start;

pub(super) use about::{info, privacy};
pub(super) use autoconfig::autoconfig;
pub(super) use help::{help, no_such_page, wrong_name};
pub(super) use invite::{fresh_code, invitation, refused, welcome};
pub(super) use start::start;

const STYLE: &str = include_str!("style.css");

/// The sign of the house: a flame. It says nothing that the words beside it do not, so screen readers skip it.
const FLAME: &str = "<svg viewBox=\"0 0 24 24\" aria-hidden=\"true\"><path fill=\"currentColor\" d=\"M12 2c1 4 6 6.5 \
                     6 12a6 6 0 0 1-12 0c0-2.5 1.2-4 2.5-5.5.2 1.8.9 2.7 1.8 3C9.8 8 10.5 5 12 2z\"/></svg>";
/// The same as the sign of the browser's tab, inside the page: nothing else is asked for.
const ICON: &str = "<link rel=\"icon\" href=\"data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 \
                    24 24'%3E%3Cpath fill='%23d2571e' d='M12 2c1 4 6 6.5 6 12a6 6 0 0 1-12 0c0-2.5 1.2-4 2.5-5.5.2 \
                    1.8.9 2.7 1.8 3C9.8 8 10.5 5 12 2z'/%3E%3C/svg%3E\">";
const LINKS: &str = "<nav><a href=\"/\">Start</a><a href=\"/help.html\">Help</a><a href=\"/info.html\">About this \
                     server</a><a href=\"/privacy.html\">Privacy</a></nav>";

/// How a page sits in the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Width {
    /// A column of text.
    Text,
    /// Room for two columns beside each other.
    Wide,
}

/// One page, before the frame is put around it.
struct Page<'a> {
    /// What is shown in the browser's tab; plain text.
    title: &'a str,
    /// The server's name, above everything; plain text.
    name: &'a str,
    /// Seconds after which the browser asks again.
    refresh: Option<u32>,
    width: Width,
    /// HTML, the `h1` included.
    main: &'a str,
    /// HTML above the links at the bottom.
    bottom: &'a str,
}

impl Page<'_> {
    fn html(&self) -> String {
        let refresh = self.refresh.map_or_else(String::new, |seconds| {
            format!("<meta http-equiv=\"refresh\" content=\"{seconds}\">")
        });
        let class = match self.width {
            Width::Text => "",
            Width::Wide => " class=\"wide\"",
        };
        let Self { title, name, main, bottom, .. } = self;
        let (title, name) = (escape(title), escape(name));
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
             <meta name=\"color-scheme\" content=\"light dark\"><title>{title}</title>{refresh}{ICON}\
             <style>{STYLE}</style></head><body{class}><header>{FLAME}<a href=\"/\">{name}</a></header>\
             <main>{main}</main><footer>{bottom}{LINKS}</footer></body></html>\n"
        )
    }
}

/// A page of text without anything that changes.
fn page(title: &str, name: &str, main: &str) -> String {
    Page { title, name, refresh: None, width: Width::Text, main, bottom: "" }.html()
}

/// Text as HTML has it.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn nothing_escapes_into_markup() {
        assert_eq!(escape("<a href=\"x\" b='y'>&"), "&lt;a href=&quot;x&quot; b=&#39;y&#39;&gt;&amp;");
    }
}
