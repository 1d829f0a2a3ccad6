//! Update URLs with placeholders.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use mail_types::Secret;

use crate::http::percent_encoded;

/// The shortest part of an update URL that may be a token.
const SHORTEST_TOKEN: usize = 6;

/// A word in braces that is no placeholder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UnknownPlaceholder;

/// An update URL with placeholders. It is never shown, since many have a token in them.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Template {
    text: Secret,
    parts: Vec<Part>,
}

#[derive(Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Name,
    Ipv4,
    Ipv6,
    /// `hostname=…&myip=…&myipv6=…`, without the addresses that there are not.
    Query,
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Template(..)")
    }
}

impl Template {
    /// Reads an update URL.
    ///
    /// # Errors
    ///
    /// When there is an unknown placeholder.
    pub(crate) fn parse(text: &str) -> Result<Self, UnknownPlaceholder> {
        let text = text.trim();
        let (mut parts, mut rest) = (Vec::new(), text);
        while let Some((literal, after)) = rest.split_once('{') {
            let (word, after) = after.split_once('}').ok_or(UnknownPlaceholder)?;
            parts.push(Part::Literal(literal.to_owned()));
            parts.push(match word {
                "name" => Part::Name,
                "ipv4" => Part::Ipv4,
                "ipv6" => Part::Ipv6,
                _ => return Err(UnknownPlaceholder),
            });
            rest = after;
        }
        if parts.is_empty() {
            let link = match rest.split_once('?') {
                None => "?",
                Some((_, "")) => "",
                Some((_, query)) if query.ends_with('&') => "",
                Some(_) => "&",
            };
            parts.push(Part::Literal(format!("{rest}{link}")));
            parts.push(Part::Query);
        } else {
            parts.push(Part::Literal(rest.to_owned()));
        }
        Ok(Self { text: Secret::new(text), parts })
    }

    /// The URL as it was entered.
    pub(crate) fn text(&self) -> &Secret {
        &self.text
    }

    /// The URL of one update.
    pub(crate) fn url(&self, name: &str, four: Option<Ipv4Addr>, six: Option<Ipv6Addr>) -> String {
        let (four, six) =
            (four.map(|four| four.to_string()), six.map(|six| percent_encoded(&six.to_string())));
        let parameter = |name: &str, value: &Option<String>| {
            value.as_ref().map(|value| format!("&{name}={value}")).unwrap_or_default()
        };
        let part = |part: &Part| match part {
            Part::Literal(text) => text.clone(),
            Part::Name => percent_encoded(name),
            Part::Ipv4 => four.clone().unwrap_or_default(),
            Part::Ipv6 => six.clone().unwrap_or_default(),
            Part::Query => {
                let addresses = parameter("myip", &four) + &parameter("myipv6", &six);
                format!("hostname={}{addresses}", percent_encoded(name))
            }
        };
        self.parts.iter().map(part).collect()
    }

    /// A URL of this form, for checks.
    pub(crate) fn example(&self) -> String {
        self.url("a.example", Some(Ipv4Addr::LOCALHOST), Some(Ipv6Addr::LOCALHOST))
    }

    /// The parts of the URL that may be tokens.
    pub(crate) fn secrets(&self) -> Vec<Vec<u8>> {
        let literals = self.parts.iter().filter_map(|part| match part {
            Part::Literal(text) => Some(text.as_str()),
            _ => None,
        });
        let after_host = |(position, text): (usize, &'_ str)| {
            let (_, rest) = text.split_once("://").filter(|_| position == 0).unwrap_or(("", text));
            rest.split_once(['/', '?']).filter(|_| position == 0).map_or(rest, |(_, rest)| rest).to_owned()
        };
        let texts: Vec<String> = literals.enumerate().map(after_host).collect();
        texts
            .iter()
            .flat_map(|text| text.split(['/', '?', '&', '=']))
            .filter(|piece| piece.len() >= SHORTEST_TOKEN)
            .map(|piece| piece.as_bytes().to_vec())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Template, UnknownPlaceholder};

    fn url(template: &str, four: Option<&str>, six: Option<&str>) -> String {
        let four = four.map(|text| text.parse().unwrap());
        let six = six.map(|text| text.parse().unwrap());
        Template::parse(template).unwrap().url("home.example", four, six)
    }

    #[test]
    fn an_update_url_is_filled_in_or_extended() {
        let both = (Some("192.0.2.1"), Some("2001:db8::1"));
        for (template, four, six, expected) in [
            (
                "https://p.example/nic/update",
                both.0,
                both.1,
                "https://p.example/nic/update?hostname=home.example&myip=192.0.2.1&myipv6=2001%3Adb8%3A%3A1",
            ),
            ("https://p.example/u", both.0, None, "https://p.example/u?hostname=home.example&myip=192.0.2.1"),
            ("https://p.example/u?k=v", None, None, "https://p.example/u?k=v&hostname=home.example"),
            ("https://p.example/u?", None, None, "https://p.example/u?hostname=home.example"),
            (
                "https://p.example/{name}/{ipv4}?6={ipv6}&t=k",
                both.0,
                both.1,
                "https://p.example/home.example/192.0.2.1?6=2001%3Adb8%3A%3A1&t=k",
            ),
            ("https://p.example/u?4={ipv4}", None, both.1, "https://p.example/u?4="),
        ] {
            assert_eq!(url(template, four, six), expected);
        }
        for template in ["https://p.example/{ip}", "https://p.example/{name"] {
            assert_eq!(Template::parse(template).unwrap_err(), UnknownPlaceholder);
        }
    }

    #[test]
    fn tokens_of_a_url_are_known_wherever_they_stand() {
        let template = Template::parse("https://p.example/hush-1/u?key=hush-2&n={name}&x=hush-3").unwrap();
        let secrets = template.secrets();
        assert_eq!(secrets, [b"hush-1".to_vec(), b"hush-2".to_vec(), b"hush-3".to_vec()]);
        assert!(!format!("{template:?}").contains("hush"));
    }
}
