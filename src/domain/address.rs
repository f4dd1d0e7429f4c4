//! Which internet addresses are everybody's, and which lead into somebody's own network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Networks of IPv4 that are not on the internet: first address and length of the prefix.
const OWN_V4: &[(Ipv4Addr, u8)] = &[
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 3),
    // Where a cloud answers its own machines, although the address looks like any other.
    (Ipv4Addr::new(168, 63, 129, 16), 32),
];

/// Networks of IPv6 among those on the internet that are not.
const OWN_V6: &[(Ipv6Addr, u8)] = &[
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// Whether an address is on the internet: not private, not of this machine, of this link, of a cloud's inside or of a group.
pub fn is_public(address: IpAddr) -> bool {
    match canonical(address) {
        IpAddr::V4(v4) => {
            !OWN_V4.iter().any(|(first, bits)| within((*first).into(), *bits, v4.into()))
        }
        IpAddr::V6(v6) => {
            let global = within(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0).into(), 3, v6.into());
            global && !OWN_V6.iter().any(|(first, bits)| within((*first).into(), *bits, v6.into()))
        }
    }
}

/// The address that is really meant: of IPv6 addresses that wrap one of IPv4, that one.
pub fn canonical(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let parts = v6.segments();
    let v4 =
        |high: u16, low: u16| IpAddr::V4(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    match parts {
        // The address of nobody and the one of this machine are no wrapped ones.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => address,
        // Mapped, and the older form without the mark.
        [0, 0, 0, 0, 0, 0xffff | 0, high, low] => v4(high, low),
        // Translated by the network: NAT64, and its local form.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => v4(high, low),
        // Tunnelled: 6to4.
        [0x2002, high, low, ..] => v4(high, low),
        _ => address,
    }
}

/// Whether an address is in a network.
pub fn within(first: IpAddr, bits: u8, address: IpAddr) -> bool {
    match (first, address) {
        (IpAddr::V4(first), IpAddr::V4(address)) => {
            let shift = 32 - u32::from(bits.min(32));
            u64::from(u32::from(first)) >> shift == u64::from(u32::from(address)) >> shift
        }
        (IpAddr::V6(first), IpAddr::V6(address)) => match bits {
            0 => true,
            bits => {
                let shift = 128 - u32::from(bits.min(128));
                u128::from(first) >> shift == u128::from(address) >> shift
            }
        },
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_somebodys_own_is_not_public() {
        for (address, public) in [
            ("93.184.216.34", true),
            ("1.1.1.1", true),
            ("0.0.0.0", false),
            ("10.1.2.3", false),
            ("11.0.0.1", true),
            ("100.64.0.1", false),
            ("100.100.100.200", false),
            ("100.128.0.1", true),
            ("127.0.0.1", false),
            ("127.255.255.254", false),
            ("168.63.129.16", false),
            ("168.63.129.17", true),
            ("169.254.169.254", false),
            ("172.15.0.1", true),
            ("172.31.255.255", false),
            ("172.32.0.1", true),
            ("192.0.0.192", false),
            ("192.168.0.1", false),
            ("198.19.0.1", false),
            ("224.0.0.1", false),
            ("239.1.1.1", false),
            ("255.255.255.255", false),
            ("::", false),
            ("::1", false),
            ("::ffff:127.0.0.1", false),
            ("::ffff:169.254.169.254", false),
            ("::ffff:93.184.216.34", true),
            ("::10.0.0.1", false),
            ("64:ff9b::7f00:1", false),
            ("64:ff9b::5db8:d822", true),
            ("64:ff9b:1::a00:1", false),
            ("2002:7f00:1::", false),
            ("2002:5db8:d822::1", true),
            ("2001:0:7f00:1::", false),
            ("2001:db8::1", false),
            ("2606:2800:220:1:248:1893:25c8:1946", true),
            ("fc00::1", false),
            ("fd00:ec2::254", false),
            ("fe80::1", false),
            ("fec0::1", false),
            ("ff02::1", false),
        ] {
            let parsed = address.parse().expect("an address");
            assert_eq!(is_public(parsed), public, "{address}");
        }
    }

    #[test]
    fn networks_hold_their_addresses() {
        for (first, bits, address, inside) in [
            ("10.0.0.0", 8, "10.255.0.1", true),
            ("10.0.0.0", 8, "11.0.0.0", false),
            ("10.0.0.0", 32, "10.0.0.1", false),
            ("10.0.0.0", 0, "99.0.0.1", true),
            ("fd00::", 8, "fdff::1", true),
            ("fd00::", 8, "fe00::1", false),
            ("fd00::", 0, "2001::1", true),
            ("fd00::1", 128, "fd00::1", true),
            ("10.0.0.0", 0, "::1", false),
        ] {
            let (first, it) = (first.parse().expect("one"), address.parse().expect("one"));
            assert_eq!(within(first, bits, it), inside, "{address} in {first}/{bits}");
        }
    }
}
