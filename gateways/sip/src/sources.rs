//! Who may send requests to a line.

use std::net::IpAddr;
use std::sync::{PoisonError, RwLock};

use ipnet::IpNet;

use crate::settings::{LineSettings, Mode};

/// This machine and the private networks (RFC 1918, 3927, 4193, 4291).
const PRIVATE: [&str; 8] = [
    "127.0.0.0/8",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "::1/128",
    "fc00::/7",
    "fe80::/10",
];

/// The addresses a line listens to.
///
/// Others get no call through: their INVITE is answered 403, which in a fork leaves the phones ringing. So a stranger
/// cannot fill the log of calls, and a router that suddenly calls from another address costs the screening, never the
/// ringing.
#[derive(Debug)]
pub(crate) struct Sources {
    fixed: Vec<IpNet>,
    registrar: RwLock<Vec<IpAddr>>,
}

impl Sources {
    pub(crate) fn of(settings: &LineSettings) -> Self {
        let mut fixed: Vec<IpNet> = settings.allow_from.iter().map(|network| network.0).collect();
        if fixed.is_empty() && matches!(settings.mode, Mode::Direct) {
            fixed.extend(PRIVATE.iter().filter_map(|network| network.parse::<IpNet>().ok()));
        }
        Sources { fixed, registrar: RwLock::default() }
    }

    pub(crate) fn allow(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.fixed.iter().any(|network| network.contains(&address))
            || self.registrar.read().unwrap_or_else(PoisonError::into_inner).contains(&address)
    }

    /// Takes the addresses the registrar's name stands for now.
    pub(crate) fn set_registrar(&self, addresses: impl Iterator<Item = IpAddr>) {
        let addresses = addresses.map(|address| address.to_canonical()).collect();
        *self.registrar.write().unwrap_or_else(PoisonError::into_inner) = addresses;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_direct_line_listens_to_private_networks_unless_told_otherwise() {
        let mut settings = LineSettings::direct("home", ([127, 0, 0, 1], 0).into());
        let sources = Sources::of(&settings);
        for (address, expected) in [
            ("127.0.0.1", true),
            ("::ffff:192.168.178.1", true),
            ("fd00::1", true),
            ("93.184.216.34", false),
            ("2001:db8::1", false),
        ] {
            assert_eq!(sources.allow(address.parse().expect("an address")), expected, "{address}");
        }
        settings.allow_from = vec![crate::Network("93.184.216.0/24".parse().expect("a network"))];
        let sources = Sources::of(&settings);
        assert!(sources.allow([93, 184, 216, 34].into()) && !sources.allow([127, 0, 0, 1].into()));
    }
}
