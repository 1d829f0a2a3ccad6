//! HTTP proxies, as named by `http_proxy` and the like.
//!
//! ureq tunnels everything through `CONNECT`, which the usual caches in front of Debian's mirrors refuse for plain HTTP. A
//! request to such a proxy therefore has the absolute form of RFC 9112 section 3.2.2: the whole URL in the request line.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, NextTimeout, TcpConnector, Transport,
};
use ureq::{Agent, Proxy, ProxyProtocol};

/// The proxies by the URL's scheme.
#[derive(Clone, Default)]
pub(super) struct Proxies {
    pub(super) http: Option<Proxy>,
    pub(super) https: Option<Proxy>,
    /// `no_proxy`: hosts and domains without a proxy.
    exceptions: Vec<String>,
}

impl Proxies {
    /// Reads the environment; `fallback` is used if it names no proxy. SOCKS proxies and malformed URLs are ignored.
    pub(super) fn choose(environment: impl Fn(&str) -> Option<String>, fallback: Option<&str>) -> Self {
        let first = |names: &[&str], kinds: &[ProxyProtocol]| {
            let named =
                names.iter().filter_map(|name| environment(name)).find(|value| !value.trim().is_empty());
            let proxy = Proxy::new(named.as_deref().or(fallback)?.trim()).ok()?;
            kinds.contains(&proxy.protocol()).then_some(proxy)
        };
        let exceptions =
            ["no_proxy", "NO_PROXY"].iter().find_map(|name| environment(name)).unwrap_or_default();
        Self {
            http: first(&["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"], &[ProxyProtocol::Http]),
            https: first(
                &["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"],
                &[ProxyProtocol::Http, ProxyProtocol::Https],
            ),
            exceptions: exceptions.split(',').map(|word| word.trim().to_ascii_lowercase()).collect(),
        }
    }

    /// Whether `no_proxy` names the host or a domain that it belongs to.
    pub(super) fn exempts(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        self.exceptions.iter().filter(|exception| !exception.is_empty()).any(|exception| {
            let domain = exception.trim_start_matches("*.").trim_start_matches('.');
            exception == "*"
                || host == domain
                || host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
        })
    }
}

/// An agent that sends its requests for `http:` URLs to `proxy`.
pub(super) fn forwarding_agent(config: Config, proxy: &Proxy) -> Agent {
    let connector = ().chain(TcpConnector::default()).chain(AbsoluteForm);
    let resolver = ProxyResolver { proxy: proxy.uri().clone(), names: Arc::default() };
    Agent::with_parts(config, connector, resolver)
}

/// The `Proxy-Authorization` header, if the proxy's URL has a user name (Basic, RFC 7617).
pub(super) fn authorization(proxy: &Proxy) -> Option<String> {
    let (name, password) = (proxy.username()?, proxy.password().unwrap_or_default());
    Some(format!("Basic {}", STANDARD.encode(format!("{name}:{password}"))))
}

/// Resolves the proxy's name in place of the server's, which may be unknown on this side of the proxy.
struct ProxyResolver {
    proxy: Uri,
    names: Arc<DefaultResolver>,
}

impl Resolver for ProxyResolver {
    fn resolve(
        &self,
        _: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        self.names.resolve(&self.proxy, config, timeout)
    }
}

impl fmt::Debug for ProxyResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProxyResolver")
    }
}

/// Wraps connections so that their requests have the absolute form.
#[derive(Debug)]
struct AbsoluteForm;

impl<In: Transport> Connector<In> for AbsoluteForm {
    type Out = AbsoluteFormTransport<In>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        inner: Option<In>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        let authority = details.uri.authority().map_or("", |authority| authority.as_str());
        let origin = format!("http://{authority}").into_bytes();
        Ok(inner.map(|inner| AbsoluteFormTransport { inner, origin }))
    }
}

#[derive(Debug)]
struct AbsoluteFormTransport<In> {
    inner: In,
    origin: Vec<u8>,
}

impl<In: Transport> Transport for AbsoluteFormTransport<In> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    /// Inserts scheme and authority into the request line. No request here has a body, so output that begins like a request
    /// is one.
    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        let output = self.inner.buffers().output();
        let longer = amount + self.origin.len();
        if output.starts_with(REQUEST) && amount <= output.len() {
            let place = METHOD.len()..METHOD.len() + self.origin.len();
            if longer > output.len() {
                return Err(ureq::Error::LargeResponseHeader(longer, output.len()));
            }
            output.copy_within(METHOD.len()..amount, place.end);
            if let Some(gap) = output.get_mut(place) {
                gap.copy_from_slice(&self.origin);
            }
            return self.inner.transmit_output(longer, timeout);
        }
        self.inner.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.inner.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }
}

const METHOD: &[u8] = b"GET ";
const REQUEST: &[u8] = b"GET /";

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(environment: &[(&str, &str)], fallback: Option<&str>) -> Proxies {
        let value = |name: &str| {
            environment.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        };
        Proxies::choose(value, fallback)
    }

    fn hosts(environment: &[(&str, &str)], fallback: Option<&str>) -> (Option<String>, Option<String>) {
        let Proxies { http, https, .. } = proxies(environment, fallback);
        let host = |proxy: Option<Proxy>| proxy.map(|proxy| format!("{}:{}", proxy.host(), proxy.port()));
        (host(http), host(https))
    }

    #[test]
    fn each_kind_of_address_has_its_own_proxy() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(hosts(&[], None), (None, None));
        assert_eq!(hosts(&[("http_proxy", "http://a.example:3128")], None), (some("a.example:3128"), None));
        assert_eq!(hosts(&[("HTTPS_PROXY", "b.example:8080")], None), (None, some("b.example:8080")));
        let both = [("all_proxy", "http://c.example:1"), ("http_proxy", "http://a.example:2")];
        assert_eq!(hosts(&both, None), (some("a.example:2"), some("c.example:1")));
        let fallback = Some("http://apt.example:3142");
        assert_eq!(
            hosts(&[("http_proxy", "")], fallback),
            (some("apt.example:3142"), some("apt.example:3142"))
        );
        assert_eq!(hosts(&[("http_proxy", "socks5://s.example:1080")], None), (None, None));
    }

    #[test]
    fn exceptions_are_asked_directly() {
        let proxies = proxies(&[("no_proxy", "localhost, .example.org,*.lan,,10.0.0.1")], None);
        for host in ["localhost", "example.org", "a.Example.org", "mirror.lan", "10.0.0.1"] {
            assert!(proxies.exempts(host), "{host}");
        }
        for host in ["badexample.org", "example.org.evil", "wlan", "10.0.0.10", ""] {
            assert!(!proxies.exempts(host), "{host}");
        }
        assert!(Proxies { exceptions: vec!["*".to_owned()], ..Proxies::default() }.exempts("any"));
    }

    #[test]
    fn names_and_passwords_are_told_to_the_proxy_only() {
        let proxy = Proxy::new("http://me:pa%3Ass@a.example:3128").unwrap();
        assert_eq!(authorization(&proxy).as_deref(), Some("Basic bWU6cGE6c3M="));
        assert_eq!(authorization(&Proxy::new("http://a.example:3128").unwrap()), None);
    }
}
