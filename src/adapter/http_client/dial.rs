//! How connections are made: which addresses a name has and which of them may be connected to, proxies, and whom to trust.

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::Uri;
use futures_util::future::BoxFuture;
use hyper_util::client::proxy::matcher::Matcher;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Certificate, Client, ClientBuilder, Proxy, Url};

use super::FetchError;
use crate::domain::http_allow::{Allow, Refusal};

/// How long a connection may take to be there.
pub const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// Most clients that are kept: one for each port.
pub const CLIENTS_MAX: usize = 16;
/// What we call ourselves.
const USER_AGENT: &str = concat!("beadle/", env!("CARGO_PKG_VERSION"));

/// Finds the addresses of names.
pub trait Names: Send + Sync {
    /// The addresses of a name.
    fn lookup(&self, name: String) -> BoxFuture<'static, std::io::Result<Vec<IpAddr>>>;
}

/// As the system finds them.
#[derive(Debug, Clone, Copy)]
pub struct SystemNames;

impl Names for SystemNames {
    fn lookup(&self, name: String) -> BoxFuture<'static, std::io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// The proxies of an environment, as they are written there.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    http: String,
    https: String,
    no: String,
}

impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // They may hold a password.
        write!(f, "Proxies({}, {})", !self.http.is_empty(), !self.https.is_empty())
    }
}

impl Proxies {
    /// Reads `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`, in capitals or not.
    pub fn of(environment: &BTreeMap<String, String>) -> Self {
        let of = |name: &str| {
            let found = environment.get(name).or_else(|| environment.get(&name.to_lowercase()));
            found.filter(|value| !value.trim().is_empty()).cloned()
        };
        let all = of("ALL_PROXY").unwrap_or_default();
        Self {
            http: of("HTTP_PROXY").unwrap_or_else(|| all.clone()),
            https: of("HTTPS_PROXY").unwrap_or(all),
            no: of("NO_PROXY").unwrap_or_default(),
        }
    }

    /// Whether a URL is fetched by way of a proxy.
    fn take(&self, url: &Url) -> bool {
        let matcher = Matcher::builder()
            .http(self.http.as_str())
            .https(self.https.as_str())
            .no(self.no.as_str())
            .build();
        let uri = url.as_str().parse::<Uri>();
        uri.is_ok_and(|uri| matcher.intercept(&uri).is_some())
    }

    fn of_reqwest(&self) -> Result<Vec<Proxy>, reqwest::Error> {
        let mut proxies = vec![];
        if !self.http.is_empty() {
            proxies.push(Proxy::http(self.http.as_str())?);
        }
        if !self.https.is_empty() {
            proxies.push(Proxy::https(self.https.as_str())?);
        }
        Ok(proxies)
    }
}

/// What a client is made with.
#[derive(Clone)]
pub struct Wiring {
    /// A file of certificates that are trusted beside those of the system.
    pub ca: Option<PathBuf>,
    /// The proxies.
    pub proxies: Proxies,
    /// What finds addresses.
    pub names: Arc<dyn Names>,
}

impl Default for Wiring {
    fn default() -> Self {
        Self { ca: None, proxies: Proxies::default(), names: Arc::new(SystemNames) }
    }
}

impl fmt::Debug for Wiring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wiring")
            .field("ca", &self.ca)
            .field("proxies", &self.proxies)
            .finish_non_exhaustive()
    }
}

/// Makes clients and keeps them, as long as the same hosts may be reached.
#[derive(Debug, Default)]
pub(super) struct Dialler {
    wiring: Wiring,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    allow: Arc<Allow>,
    /// By the port that is connected to, which names may be allowed for by itself; none: by way of a proxy.
    clients: BTreeMap<Option<u16>, Client>,
}

impl Dialler {
    pub(super) fn new(wiring: Wiring) -> Self {
        Self { wiring, kept: Mutex::default() }
    }

    /// The client that fetches a URL from a host that may be reached.
    pub(super) async fn client(
        &self,
        url: &Url,
        (host, port): (&str, u16),
        allow: &Arc<Allow>,
    ) -> Result<Client, FetchError> {
        let proxied = self.wiring.proxies.take(url);
        if proxied && literal(host).is_none() {
            self.look_ahead(host, port, allow).await?;
        }
        let wanted = (!proxied).then_some(port);
        let mut kept = self.kept.lock().expect("nobody panics with the clients");
        if kept.allow != *allow || kept.clients.len() >= CLIENTS_MAX {
            *kept = Kept { allow: allow.clone(), clients: BTreeMap::new() };
        }
        if let Some(client) = kept.clients.get(&wanted) {
            return Ok(client.clone());
        }
        let client = self.make(wanted, allow)?;
        kept.clients.insert(wanted, client.clone());
        Ok(client)
    }

    /// A proxy finds the address itself; a name that we can see to lead inside is not given to it.
    async fn look_ahead(&self, host: &str, port: u16, allow: &Allow) -> Result<(), FetchError> {
        let bare = host.to_owned();
        let within = tokio::time::timeout(CONNECT_WITHIN, self.wiring.names.lookup(bare)).await;
        // Behind a proxy names of the internet are often not known.
        let Ok(Ok(found)) = within else { return Ok(()) };
        for address in found {
            allow.address(host, port, address)?;
        }
        Ok(())
    }

    fn make(&self, port: Option<u16>, allow: &Arc<Allow>) -> Result<Client, FetchError> {
        let broken = |what: String| FetchError::NotStarted(what);
        let mut builder = ClientBuilder::new()
            .user_agent(USER_AGENT)
            .connect_timeout(CONNECT_WITHIN)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            // What is not asked for does not come: no compressed answer can grow in our hands.
            .no_gzip()
            .no_brotli()
            .no_deflate()
            .no_zstd()
            .referer(false)
            // A connection that is used again may be gone: whether the request was seen would then be in doubt.
            .pool_max_idle_per_host(0)
            .no_proxy();
        match port {
            Some(port) => {
                let (allow, names) = (allow.clone(), self.wiring.names.clone());
                builder = builder.dns_resolver(Guard { allow, names, port });
            }
            None => {
                let proxies = self.wiring.proxies.of_reqwest();
                for proxy in
                    proxies.map_err(|_| broken("a proxy of the environment is no URL".into()))?
                {
                    builder = builder.proxy(proxy);
                }
            }
        }
        if let Some(file) = &self.wiring.ca {
            let certificates = certificates(file).map_err(broken)?;
            builder = builder.tls_certs_merge(certificates);
        }
        builder
            .build()
            .map_err(|why| broken(format!("requests cannot be made: {}", innermost(&why))))
    }
}

fn certificates(file: &PathBuf) -> Result<Vec<Certificate>, String> {
    let wrong = |why: String| format!("`ca` under [http] cannot be used: {why}");
    let bytes = std::fs::read(file).map_err(|why| wrong(why.to_string()))?;
    Certificate::from_pem_bundle(&bytes).map_err(|why| wrong(innermost(&why)))
}

/// Gives only addresses that may be connected to, for connections to one port.
struct Guard {
    allow: Arc<Allow>,
    names: Arc<dyn Names>,
    port: u16,
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let (allow, port, host) = (self.allow.clone(), self.port, name.as_str().to_owned());
        let looked_up = self.names.lookup(host.clone());
        Box::pin(async move {
            let found = looked_up.await?;
            let mut refused = None;
            let mut fits = |address: &IpAddr| match allow.address(&host, port, *address) {
                Ok(()) => true,
                Err(refusal) => {
                    tracing::warn!(host, %address, "a script may not reach this address");
                    refused = Some(refusal);
                    false
                }
            };
            let addresses: Vec<SocketAddr> =
                found.into_iter().filter(|it| fits(it)).map(|it| SocketAddr::new(it, 0)).collect();
            match (addresses.is_empty(), refused) {
                (true, Some(refusal)) => Err(refusal.into()),
                (true, None) => Err("the name has no address".into()),
                (false, _) => Ok(Box::new(addresses.into_iter()) as Addrs),
            }
        })
    }
}

/// The address that stands in a URL in place of a name.
pub(super) fn literal(host: &str) -> Option<IpAddr> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    bare.unwrap_or(host).parse().ok()
}

/// What went wrong, in words; of the URL nothing, for there may be keys in it.
pub(super) fn told(why: &reqwest::Error) -> FetchError {
    let mut at: Option<&(dyn StdError + 'static)> = Some(why);
    while let Some(error) = at {
        if let Some(refusal) = error.downcast_ref::<Refusal>() {
            return refusal.clone().into();
        }
        at = error.source();
    }
    let inner = innermost(why);
    let hint = match inner.contains("UnknownIssuer") {
        true => {
            "; nobody who is trusted has signed its certificate: `ca` under [http] names further ones"
        }
        false => "",
    };
    match (why.is_connect(), why.is_timeout()) {
        (true, true) => {
            let seconds = CONNECT_WITHIN.as_secs();
            FetchError::Unreachable(format!("no connection: nobody answered within {seconds} s"))
        }
        (true, false) => FetchError::Unreachable(format!("no connection: {inner}{hint}")),
        (false, _) => FetchError::Failed(format!("the exchange broke off: {inner}")),
    }
}

fn innermost(why: &(dyn StdError + 'static)) -> String {
    let mut at = why;
    while let Some(inner) = at.source() {
        at = inner;
    }
    at.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_names_proxies() {
        let environment = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        for (pairs, url, taken) in [
            (&[][..], "https://a.example/", false),
            (&[("HTTPS_PROXY", "http://proxy:3128")], "https://a.example/", true),
            (&[("https_proxy", "http://proxy:3128")], "https://a.example/", true),
            (&[("HTTPS_PROXY", "http://proxy:3128")], "http://a.example/", false),
            (&[("HTTP_PROXY", "proxy:3128")], "http://a.example/", true),
            (&[("HTTP_PROXY", "")], "http://a.example/", false),
            (&[("ALL_PROXY", "http://proxy:3128")], "https://a.example/", true),
            (
                &[("ALL_PROXY", "http://proxy:3128"), ("NO_PROXY", "example")],
                "https://a.example/",
                false,
            ),
            (
                &[("HTTPS_PROXY", "http://proxy:3128"), ("no_proxy", "b.example,a.example")],
                "https://a.example/",
                false,
            ),
            (
                &[("HTTPS_PROXY", "http://proxy:3128"), ("NO_PROXY", "10.0.0.0/8")],
                "https://10.1.1.1/",
                false,
            ),
        ] {
            let proxies = Proxies::of(&environment(pairs));
            let url = Url::parse(url).expect("a URL");
            assert_eq!(proxies.take(&url), taken, "{pairs:?} {url}");
        }
        let secret = Proxies::of(&environment(&[("HTTP_PROXY", "http://ann:sesame@proxy:3128")]));
        assert!(!format!("{secret:?}").contains("sesame"));
    }
}
