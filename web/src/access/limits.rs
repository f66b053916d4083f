//! How often somebody may ask. Counted in memory by the monotonic clock; bounded, so that counting is no attack.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
};

/// Requests of one session, key or address in a minute, unless told otherwise: three pages that all reload each second.
pub const REQUESTS_PER_MINUTE: u32 = 1_000;
/// Attempts to sign in from one address in a minute.
pub(crate) const LOGINS_PER_MINUTE: u32 = 5;
const MINUTE_MS: u64 = 60_000;
/// Counted at once: a home has a handful of addresses.
const MAX_COUNTED: usize = 4_096;
/// Failures after which an account makes its caller wait: people mistype.
const FREE_FAILURES: u32 = 3;
/// The longest wait: longer would let a guest lock the admin out.
const MAX_WAIT_MS: u64 = 60_000;
/// After this long without a failure an account's failures are forgotten.
const FORGET_AFTER_MS: u64 = 15 * MINUTE_MS;

/// Whose requests are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Counted {
    /// Attempts to sign in from an address.
    Login(Network),
    /// Requests without credentials from an address.
    Address(Network),
    /// Requests of a session or an API key, by the beginning of its hash.
    Credential([u8; 16]),
}

/// An address as far as one device owns it: IPv4 whole, IPv6 its first 64 bits (RFC 4291 2.5.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Network(u64);

impl Network {
    pub(crate) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self(u64::from(v4.to_bits())),
            IpAddr::V6(v6) => Self((v6.to_bits() >> 64) as u64),
        }
    }

    /// As the key of an account whose failures are counted.
    pub(crate) fn hash(self) -> [u8; 32] {
        *blake3::hash(&self.0.to_be_bytes()).as_bytes()
    }
}

#[derive(Debug, Default)]
pub(crate) struct Limits {
    windows: Mutex<HashMap<Counted, Window>>,
    failures: Mutex<HashMap<[u8; 32], Failures>>,
}

#[derive(Debug)]
struct Window {
    began_ms: u64,
    taken: u32,
}

#[derive(Debug, Default)]
struct Failures {
    count: u32,
    until_ms: u64,
    last_ms: u64,
}

impl Limits {
    /// Counts one request; if it is over `most` in this minute, says after how many seconds the next one is heard.
    pub(crate) fn take(&self, who: Counted, most: u32, now_ms: u64) -> Result<(), u64> {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        if windows.len() >= MAX_COUNTED && !windows.contains_key(&who) {
            windows.retain(|_, w| now_ms.saturating_sub(w.began_ms) < MINUTE_MS);
            if windows.len() >= MAX_COUNTED {
                return Err(MINUTE_MS / 1_000);
            }
        }
        let window = windows.entry(who).or_insert(Window { began_ms: now_ms, taken: 0 });
        if now_ms.saturating_sub(window.began_ms) >= MINUTE_MS {
            *window = Window { began_ms: now_ms, taken: 0 };
        }
        if window.taken >= most {
            return Err((window.began_ms + MINUTE_MS - now_ms).div_ceil(1_000));
        }
        window.taken += 1;
        Ok(())
    }

    /// Whether the account hears an attempt now; else after how many seconds.
    pub(crate) fn account_waits(&self, account: &[u8; 32], now_ms: u64) -> Result<(), u64> {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        match failures.get(account) {
            Some(f) if f.until_ms > now_ms => Err((f.until_ms - now_ms).div_ceil(1_000)),
            _ => Ok(()),
        }
    }

    /// Notes a failed attempt. Accounts that do not exist are counted alike, so that nobody learns which exist.
    pub(crate) fn account_failed(&self, account: [u8; 32], now_ms: u64) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.retain(|_, f| now_ms.saturating_sub(f.last_ms) < FORGET_AFTER_MS);
        if failures.len() >= MAX_COUNTED && !failures.contains_key(&account) {
            return;
        }
        let f = failures.entry(account).or_default();
        f.count = f.count.saturating_add(1);
        f.last_ms = now_ms;
        if let Some(over) = f.count.checked_sub(FREE_FAILURES) {
            f.until_ms = now_ms + (1_000u64 << over.min(10)).min(MAX_WAIT_MS);
        }
    }

    /// Forgets an account's failures: its owner signed in.
    pub(crate) fn account_succeeded(&self, account: &[u8; 32]) {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).remove(account);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_over_the_limit_is_told_how_long_to_wait() {
        let limits = Limits::default();
        let who = Counted::Login(Network::of("192.0.2.1".parse().expect("an address")));
        for _ in 0..LOGINS_PER_MINUTE {
            assert_eq!(limits.take(who, LOGINS_PER_MINUTE, 1_000), Ok(()));
        }
        assert_eq!(limits.take(who, LOGINS_PER_MINUTE, 31_000), Err(30));
        assert_eq!(limits.take(who, LOGINS_PER_MINUTE, 61_000), Ok(()));
    }

    #[test]
    fn a_whole_ipv6_network_counts_as_one() {
        let of = |a: &str| Network::of(a.parse().expect("an address"));
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:2"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    }

    #[test]
    fn an_account_waits_longer_after_each_failure_and_never_over_a_minute() {
        let limits = Limits::default();
        let account = [7; 32];
        let waits: Vec<u64> = (0..12)
            .map(|_| {
                limits.account_failed(account, 0);
                limits.account_waits(&account, 0).err().unwrap_or(0)
            })
            .collect();
        assert_eq!(waits, [0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60, 60]);
        limits.account_succeeded(&account);
        assert_eq!(limits.account_waits(&account, 0), Ok(()));
    }

    #[test]
    fn counting_is_bounded() {
        let limits = Limits::default();
        for n in 0..MAX_COUNTED as u64 + 10 {
            let full = limits.take(Counted::Address(Network(n)), 1, 0).is_err();
            assert_eq!(full, n >= MAX_COUNTED as u64);
        }
        assert_eq!(limits.take(Counted::Address(Network(u64::MAX)), 1, MINUTE_MS), Ok(()));
    }
}
