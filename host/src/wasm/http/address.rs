//! Which addresses are on the public internet. Written out: the standard library's `is_global` is not stable.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why an address is not on the public internet; none if it is. What carries an IPv4 address inside is judged by that
/// too.
pub(super) fn private(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => private_v4(address),
        IpAddr::V6(address) => private_v6(address),
    }
}

/// RFC 6890 and its registry, and multicast.
fn private_v4(address: Ipv4Addr) -> Option<&'static str> {
    Some(match address.octets() {
        [0, ..] => "unspecified",
        [127, ..] => "loopback",
        [10, ..] | [192, 168, ..] => "private",
        [172, second, ..] if second & 0xf0 == 16 => "private",
        // With the metadata services of clouds.
        [169, 254, ..] => "link-local",
        [100, second, ..] if second & 0xc0 == 64 => "of a carrier's network",
        [192, 0, 0, _] => "of a protocol",
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => "for documentation",
        [192, 88, 99, _] => "of a relay",
        [198, second, ..] if second & 0xfe == 18 => "for benchmarks",
        [first, ..] if first & 0xf0 == 0xe0 => "multicast",
        [first, ..] if first >= 0xf0 => "reserved",
        _ => return None,
    })
}

fn private_v6(address: Ipv6Addr) -> Option<&'static str> {
    let segments = address.segments();
    let v4 = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        private_v4(Ipv4Addr::new(a, b, c, d))
    };
    Some(match segments {
        [0, 0, 0, 0, 0, 0, 0, 0] => "unspecified",
        [0, 0, 0, 0, 0, 0, 0, 1] => "loopback",
        [0, 0, 0, 0, 0, 0xffff, high, low] => return v4(high, low),
        // IPv4 behind a translator, as RFC 6052 and RFC 8215 have it.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => return v4(high, low),
        [0x64, 0xff9b, 1, ..] => "behind a local translator",
        // IPv4-compatible, of which there are none any more.
        [0, 0, 0, 0, 0, 0, _, _] => "reserved",
        [0x100, 0, 0, 0, ..] => "discarded",
        // 6to4 carries its IPv4 address behind the prefix; Teredo, ORCHID and documentation are below 2001::/16.
        [0x2002, high, low, ..] => return v4(high, low).or(Some("of a relay")),
        [0x2001, second, ..] if second < 0x200 => "of a protocol",
        [0x2001, 0xdb8, ..] => "for documentation",
        [0x3fff, second, ..] if second < 0x1000 => "for documentation",
        [0x5f00, ..] => "of a protocol",
        [first, ..] if first & 0xfe00 == 0xfc00 => "private",
        [first, ..] if first & 0xffc0 == 0xfe80 => "link-local",
        [first, ..] if first & 0xffc0 == 0xfec0 => "private",
        [first, ..] if first & 0xff00 == 0xff00 => "multicast",
        // The only block that is given out.
        [first, ..] if first & 0xe000 != 0x2000 => "reserved",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_public_is_known() {
        for (text, why) in [
            ("127.0.0.1", "loopback"),
            ("127.255.255.254", "loopback"),
            ("0.0.0.0", "unspecified"),
            ("10.1.2.3", "private"),
            ("172.16.0.1", "private"),
            ("172.31.255.255", "private"),
            ("192.168.1.1", "private"),
            ("169.254.169.254", "link-local"),
            ("100.64.0.1", "of a carrier's network"),
            ("100.127.255.255", "of a carrier's network"),
            ("192.0.0.8", "of a protocol"),
            ("192.0.2.1", "for documentation"),
            ("198.51.100.7", "for documentation"),
            ("203.0.113.7", "for documentation"),
            ("198.18.0.1", "for benchmarks"),
            ("224.0.0.1", "multicast"),
            ("240.0.0.1", "reserved"),
            ("255.255.255.255", "reserved"),
            ("::", "unspecified"),
            ("::1", "loopback"),
            ("::ffff:127.0.0.1", "loopback"),
            ("::ffff:169.254.169.254", "link-local"),
            ("64:ff9b::10.0.0.1", "private"),
            ("64:ff9b:1::1", "behind a local translator"),
            ("::7f00:1", "reserved"),
            ("fe80::1", "link-local"),
            ("fc00::1", "private"),
            ("fd12:3456::1", "private"),
            ("fec0::1", "private"),
            ("ff02::1", "multicast"),
            ("2001:db8::1", "for documentation"),
            ("3fff::1", "for documentation"),
            ("2001::1", "of a protocol"),
            ("2002:7f00:1::", "loopback"),
            ("2002:808:808::", "of a relay"),
            ("100::1", "discarded"),
            ("4000::1", "reserved"),
        ] {
            assert_eq!(private(text.parse().unwrap()), Some(why), "{text}");
        }
    }

    #[test]
    fn what_is_public_is_known() {
        for text in [
            "1.1.1.1",
            "8.8.8.8",
            "172.15.0.1",
            "172.32.0.1",
            "100.63.255.255",
            "100.128.0.1",
            "192.0.1.1",
            "198.17.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00:1450::1",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2001:200::1",
        ] {
            assert_eq!(private(text.parse().unwrap()), None, "{text}");
        }
    }
}
