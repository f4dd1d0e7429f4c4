//! Which hosts scripts may reach over HTTP: a list of names and networks, and which of them may be in somebody's own network.
//!
//! Asked twice for each request and each redirect: for the host as it is written, and for the address that is connected to.

use std::net::IpAddr;

use super::address::{canonical, is_public, within};

/// Most entries of a list.
pub const ALLOW_ENTRIES_MAX: usize = 1_000;
/// Longest entry in bytes.
pub const ALLOW_ENTRY_BYTES_MAX: usize = 300;
/// The ports of an entry that names none.
const USUAL_PORTS: [u16; 2] = [80, 443];
/// A network with a shorter prefix holds more than anybody's own: IPv4, IPv6.
const BITS_MIN: (u8, u8) = (8, 7);

/// The hosts that scripts may reach.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allow {
    hosts: Vec<Host>,
    networks: Vec<Network>,
    private: Vec<Host>,
    /// Addresses that may stand in a URL, but to which no name may lead.
    literal: Vec<Network>,
}

/// Names: one, or all below one.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Host {
    name: String,
    below: bool,
    ports: Ports,
}

/// Addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Network {
    first: IpAddr,
    bits: u8,
    ports: Ports,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ports {
    Usual,
    One(u16),
    Every,
}

/// Why a host may not be reached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nobody has allowed it.
    #[error(
        "scripts may not reach `{0}`: whoever runs the bot can allow it with `allow = [\"{0}\"]` under [http] in the configuration"
    )]
    Host(String),
    /// It is in somebody's own network.
    #[error(
        "`{0}` leads to a private address, where scripts may not go: whoever runs the bot can allow it with `private = [\"{0}\"]` under [http] in the configuration"
    )]
    Address(String),
}

impl Allow {
    /// Reads the two lists of the configuration.
    ///
    /// # Errors
    /// The first entry that is none, and what to write.
    pub fn read(allow: &[String], private: &[String]) -> Result<Self, String> {
        let mut read = Self::default();
        if allow.len().max(private.len()) > ALLOW_ENTRIES_MAX {
            return Err(format!("a list has {ALLOW_ENTRIES_MAX} entries at most"));
        }
        for written in allow {
            match entry(written)? {
                Entry::Host(host) => read.hosts.push(host),
                Entry::Network(network) => read.networks.push(network),
            }
        }
        for written in private {
            match entry(written)? {
                Entry::Host(host) if host.below => {
                    return Err(format!(
                        "`{written}`: each host that may be in a private network is named by itself, or its network stands in `allow`"
                    ));
                }
                Entry::Host(host) => read.private.push(host),
                Entry::Network(network) => read.literal.push(network),
            }
        }
        Ok(read)
    }

    /// Whether a host may be reached, by its name or address as a URL has it.
    ///
    /// # Errors
    /// [`Refusal::Host`].
    pub fn host(&self, host: &str, port: u16) -> Result<(), Refusal> {
        let allowed = match literal(host) {
            Some(address) => self.lists(address, port) || self.literal(address, port),
            None => self.hosts.iter().chain(&self.private).any(|it| it.fits(host, port)),
        };
        if allowed { Ok(()) } else { Err(Refusal::Host(shown(host, port))) }
    }

    /// Whether an address may be connected to for a host that may be reached.
    ///
    /// # Errors
    /// [`Refusal::Address`].
    pub fn address(&self, host: &str, port: u16, address: IpAddr) -> Result<(), Refusal> {
        let own = || self.private.iter().any(|it| it.fits(host, port));
        let itself = || literal(host).is_some() && self.literal(address, port);
        match is_public(address) || own() || self.lists(address, port) || itself() {
            true => Ok(()),
            false => Err(Refusal::Address(shown(host, port))),
        }
    }

    fn lists(&self, address: IpAddr, port: u16) -> bool {
        self.networks.iter().any(|it| it.holds(address, port))
    }

    fn literal(&self, address: IpAddr, port: u16) -> bool {
        self.literal.iter().any(|it| it.holds(address, port))
    }
}

impl Network {
    fn holds(&self, address: IpAddr, port: u16) -> bool {
        within(self.first, self.bits, canonical(address)) && self.ports.hold(port)
    }
}

impl Host {
    fn fits(&self, host: &str, port: u16) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host);
        let named = match self.below {
            false => host.eq_ignore_ascii_case(&self.name),
            true => host
                .len()
                .checked_sub(self.name.len() + 1)
                .filter(|before| *before > 0)
                .and_then(|before| host.get(before..))
                .and_then(|end| end.strip_prefix('.'))
                .is_some_and(|end| end.eq_ignore_ascii_case(&self.name)),
        };
        named && self.ports.hold(port)
    }
}

impl Ports {
    fn hold(self, port: u16) -> bool {
        match self {
            Self::Usual => USUAL_PORTS.contains(&port),
            Self::One(one) => one == port,
            Self::Every => true,
        }
    }
}

enum Entry {
    Host(Host),
    Network(Network),
}

/// A host as an entry that would allow it.
fn shown(host: &str, port: u16) -> String {
    match USUAL_PORTS.contains(&port) {
        true => host.to_owned(),
        false => format!("{host}:{port}"),
    }
}

/// The address that stands in place of a name, `10.0.0.1` or `[::1]`.
fn literal(host: &str) -> Option<IpAddr> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    bare.unwrap_or(host).parse().ok()
}

fn entry(written: &str) -> Result<Entry, String> {
    let wrong = |why: &str| {
        format!(
            "`{written}` {why}; write a host, \"api.example.org\", \"*.example.org:8443\", or a network, \"10.0.0.0/8\", \"[fd00::/8]:8080\""
        )
    };
    if written.len() > ALLOW_ENTRY_BYTES_MAX {
        return Err(format!("an entry has {ALLOW_ENTRY_BYTES_MAX} bytes at most"));
    }
    if written.contains("://") || written.contains('@') {
        return Err(wrong("is a URL, and a host is wanted"));
    }
    let (name, port) = parts(written.trim());
    let ports = match port {
        None => Ports::Usual,
        Some("*") => Ports::Every,
        Some(port) => Ports::One(port.parse().map_err(|_| wrong("has no port behind the `:`"))?),
    };
    let (first, bits) = match name.split_once('/') {
        Some((first, bits)) => (first, Some(bits)),
        None => (name, None),
    };
    if let Ok(first) = first.parse::<IpAddr>() {
        return network(first, bits, ports).map(Entry::Network).map_err(|why| wrong(&why));
    }
    let (name, below) = match name.strip_prefix("*.") {
        Some(name) => (name, true),
        None => (name, false),
    };
    let label = |label: &str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        !label.is_empty() && label.chars().all(fits)
    };
    if bits.is_some() || !name.split('.').all(label) {
        return Err(wrong(match name.is_ascii() {
            true => "is no host",
            false => "has other letters than a-z: write the name as it stands in the DNS, xn--…",
        }));
    }
    // `0x7f.1` and `2130706433` are addresses to a browser.
    if name
        .split('.')
        .next_back()
        .is_some_and(|last| last.starts_with(|c: char| c.is_ascii_digit()))
    {
        return Err(wrong("is an address in a form that is not taken"));
    }
    Ok(Entry::Host(Host { name: name.to_ascii_lowercase(), below, ports }))
}

/// The host or network of an entry, and its port.
fn parts(written: &str) -> (&str, Option<&str>) {
    if let Some((inside, behind)) = written.strip_prefix('[').and_then(|rest| rest.split_once(']'))
    {
        return (inside, behind.strip_prefix(':'));
    }
    match written.matches(':').count() {
        1 => written.split_once(':').map_or((written, None), |(name, port)| (name, Some(port))),
        _ => (written, None),
    }
}

fn network(first: IpAddr, bits: Option<&str>, ports: Ports) -> Result<Network, String> {
    let (most, least) = if first.is_ipv4() { (32, BITS_MIN.0) } else { (128, BITS_MIN.1) };
    let bits = match bits {
        None => most,
        Some(bits) => bits.parse().map_err(|_| "has no number behind the `/`".to_owned())?,
    };
    if bits > most {
        return Err(format!("has more than {most} behind the `/`"));
    }
    if bits < least {
        return Err(format!(
            "is too much of the internet: name hosts, or a network from /{least} on"
        ));
    }
    Ok(Network { first: canonical(first), bits, ports })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allow(allow: &[&str], private: &[&str]) -> Allow {
        let list = |words: &[&str]| words.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        Allow::read(&list(allow), &list(private)).expect("they are right")
    }

    #[test]
    fn only_what_is_listed_is_reached() {
        let rules = allow(
            &[
                "api.example.org",
                "*.example.org:8443",
                "any.example.net:*",
                "10.0.0.0/8",
                "[fd00::/8]:8080",
                "1.1.1.1",
            ],
            &["jira.intern:8080"],
        );
        for (host, port, want) in [
            ("api.example.org", 443, true),
            ("api.example.org", 80, true),
            ("API.Example.ORG", 443, true),
            ("api.example.org.", 443, true),
            ("api.example.org", 8080, false),
            ("api.example.org", 8443, true),
            ("x.api.example.org", 443, false),
            ("x.api.example.org", 8443, true),
            ("example.org", 8443, false),
            ("badexample.org", 8443, false),
            (".example.org", 8443, false),
            ("any.example.net", 22, true),
            ("api.example.org.evil.net", 443, false),
            ("10.1.2.3", 80, true),
            ("10.1.2.3", 22, false),
            ("11.1.2.3", 80, false),
            ("1.1.1.1", 443, true),
            ("[fd00::1]", 8080, true),
            ("[fd00::1]", 443, false),
            ("[::ffff:10.1.2.3]", 443, true),
            ("[::ffff:127.0.0.1]", 443, false),
            ("jira.intern", 8080, true),
            ("jira.intern", 443, false),
            ("localhost", 80, false),
        ] {
            assert_eq!(rules.host(host, port).is_ok(), want, "{host}:{port}");
        }
    }

    #[test]
    fn private_addresses_are_reached_by_those_who_are_named() {
        let rules = allow(
            &["*.example.org", "web.intern:8443", "10.0.0.0/8", "10.2.0.0/16:8443"],
            &["jira.intern", "127.0.0.1:9093"],
        );
        for (host, port, address, want) in [
            ("api.example.org", 443, "93.184.216.34", true),
            ("api.example.org", 443, "127.0.0.1", false),
            ("api.example.org", 443, "169.254.169.254", false),
            ("api.example.org", 443, "::ffff:169.254.169.254", false),
            ("api.example.org", 443, "10.1.1.1", true),
            ("web.intern", 8443, "10.1.1.1", false),
            ("web.intern", 8443, "10.2.1.1", true),
            ("api.example.org", 443, "127.0.0.1", false),
            ("web.intern", 8443, "192.168.1.1", false),
            ("jira.intern", 443, "192.168.1.1", true),
            ("x.jira.intern", 443, "192.168.1.1", false),
            ("127.0.0.1", 9093, "127.0.0.1", true),
            ("127.0.0.1", 80, "127.0.0.1", false),
        ] {
            let address = address.parse().expect("an address");
            assert_eq!(rules.address(host, port, address).is_ok(), want, "{host} at {address}");
        }
        let refused = rules.address("api.example.org", 8443, "::1".parse().expect("one"));
        let told = refused.expect_err("it is this machine").to_string();
        assert!(told.contains("private = [\"api.example.org:8443\"]"), "{told}");
        let told = rules.host("evil.org", 443).expect_err("nobody listed it").to_string();
        assert!(told.contains("allow = [\"evil.org\"]"), "{told}");
    }

    #[test]
    fn nothing_is_allowed_by_itself() {
        let nothing = Allow::default();
        assert!(nothing.host("example.org", 443).is_err());
        assert!(nothing.host("127.0.0.1", 80).is_err());
    }

    #[test]
    fn entries_that_are_none_are_told() {
        for (written, want) in [
            ("https://api.example.org", "is a URL"),
            ("user@api.example.org", "is a URL"),
            ("api.example.org:http", "has no port"),
            ("api.example.org:70000", "has no port"),
            ("*", "is no host"),
            ("a..b", "is no host"),
            ("api.*.org", "is no host"),
            ("api.example.org/x", "is no host"),
            ("münchen.example", "xn--"),
            ("0.0.0.0/0", "too much of the internet"),
            ("10.0.0.0/33", "more than 32"),
            ("10.0.0.0/x", "no number"),
            ("::/0", "too much of the internet"),
            ("2130706433", "is an address in a form"),
            ("0x7f.1", "is an address in a form"),
            ("", "is no host"),
        ] {
            let told = Allow::read(&[written.to_owned()], &[]).expect_err(written);
            assert!(told.contains(want), "{written}: {told}");
        }
        let told = Allow::read(&[], &["*.intern".to_owned()]).expect_err("a wildcard");
        assert!(told.contains("named by itself"), "{told}");
    }

    #[test]
    fn lists_are_bounded() {
        let name = |n: usize| format!("h{n}.example");
        let list = |n: usize| (0..n).map(name).collect::<Vec<_>>();
        assert!(Allow::read(&list(ALLOW_ENTRIES_MAX), &[]).is_ok());
        assert!(Allow::read(&list(ALLOW_ENTRIES_MAX + 1), &[]).is_err());
        let long = |n: usize| vec!["a".repeat(n)];
        assert!(Allow::read(&long(ALLOW_ENTRY_BYTES_MAX), &[]).is_ok());
        assert!(Allow::read(&long(ALLOW_ENTRY_BYTES_MAX + 1), &[]).is_err());
    }
}
