//! Browsers that are signed in.

use std::sync::atomic::{AtomicU64, Ordering};

use meerkat_protocols::time::Now;
use meerkat_store::{AccessTable, AccessWrite};

use crate::{
    access::{
        book::{Access, Book, LiveSession, MAX_SESSIONS, drop_record, put},
        records::{Role, Session, User},
        secrets::{self, Purpose},
    },
    problem::Problem,
};

/// A session unused for so long is over; counted by the monotonic clock, which nobody can set.
const IDLE_MS: u64 = 12 * 3_600_000;
/// A session is over after so long, used or not, as far as the wall clock is set.
const LONGEST_S: i64 = 30 * 86_400;
/// How often the time a session was last seen is written: rarely, for the sake of memory cards.
const WRITE_SEEN_S: i64 = 3_600;

impl LiveSession {
    /// Whether it has ended by itself.
    pub(crate) fn is_over(&self, now: Now) -> bool {
        let idle = now.mono_ms.saturating_sub(self.seen_mono_ms.load(Ordering::Relaxed)) >= IDLE_MS;
        idle || age_s(self.record.opened, now) >= LONGEST_S
    }
}

impl Session {
    /// Whether it had been idle for too long before this process started: then the hour that was written last speaks,
    /// as far as the wall clock is set.
    pub(crate) fn was_idle(&self, now: Now) -> bool {
        age_s(self.seen, now) >= IDLE_MS as i64 / 1_000 + WRITE_SEEN_S
    }
}

fn age_s(since: Option<i64>, now: Now) -> i64 {
    now.wall.zip(since).map_or(0, |(now, then)| now - then)
}

/// A session that was just opened.
pub(crate) struct Opened {
    /// For the cookie.
    pub(crate) token: String,
    pub(crate) name: String,
    pub(crate) role: Role,
}

/// Who a cookie stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SignedIn {
    pub(crate) hash: [u8; 32],
    pub(crate) name: String,
    pub(crate) role: Role,
}

impl Access {
    /// Opens a session for a user of the book, under a token that nobody has seen before; the one it replaces ends.
    pub(crate) fn open_session(&self, user: &str, replaces: Option<[u8; 32]>) -> Result<Opened, Problem> {
        let token = secrets::random().map_err(|_| Problem::fault("the operating system gives no randomness"))?;
        let hash = *secrets::hash(Purpose::Session, &token).ok_or_else(|| Problem::fault("token length"))?.as_bytes();
        let now = (self.0.clock)();
        let user = self.user(user)?.ok_or_else(Problem::signed_out)?;
        let password = secrets::password_mark(&user.password);
        let record = Session { user: user.name.clone(), password, opened: now.wall, seen: now.wall };
        let (opened, mut writes) = self.change(|book| {
            let opened = Opened { token, name: user.name, role: user.role };
            let mut writes = book.make_room(now);
            writes.extend(replaces.and_then(|old| book.end_session(&old)));
            let live = LiveSession { record: record.clone(), seen_mono_ms: AtomicU64::new(now.mono_ms) };
            book.sessions.insert(hash, live);
            (opened, writes)
        })?;
        writes.push(put(AccessTable::Sessions, &hash, &record));
        self.keep_soon(writes);
        Ok(opened)
    }

    /// Who the token of a cookie stands for, and notes that they were seen.
    pub(crate) fn session(&self, token: &str) -> Result<Option<SignedIn>, Problem> {
        let Some(hash) = secrets::hash(Purpose::Session, token).map(|h| *h.as_bytes()) else { return Ok(None) };
        let now = (self.0.clock)();
        let (signed_in, write_seen) = self.with(|book| {
            let Some(session) = book.sessions.get(&hash).filter(|s| !s.is_over(now)) else { return (None, false) };
            session.seen_mono_ms.store(now.mono_ms, Ordering::Relaxed);
            let stale = now.wall.is_some_and(|wall| session.record.seen.is_none_or(|seen| wall - seen >= WRITE_SEEN_S));
            let user = self.holder(session).map(|user| SignedIn { hash, name: user.name, role: user.role });
            (user, stale)
        })?;
        if write_seen && signed_in.is_some() {
            self.write_seen(&hash, now);
        }
        Ok(signed_in)
    }

    /// Whether a session still stands, without noting that it was seen: a page left open is not a person at work.
    pub(crate) fn session_stands(&self, hash: &[u8; 32]) -> bool {
        let now = (self.0.clock)();
        let stands = |session: &LiveSession| !session.is_over(now) && self.holder(session).is_some();
        self.with(|book| book.sessions.get(hash).is_some_and(stands)).unwrap_or(false)
    }

    /// Whose session it is: of an account that is still there, with the password it was opened with.
    fn holder(&self, session: &LiveSession) -> Option<User> {
        let accounts = self.accounts();
        let account = accounts.get(&session.record.user)?;
        let same = secrets::password_mark(&account.hash) == session.record.password;
        let role = Role::from_word(&account.role).filter(|_| same)?;
        Some(User { name: session.record.user.clone(), role, password: account.hash.clone() })
    }

    fn write_seen(&self, hash: &[u8; 32], now: Now) {
        let write = self.change(|book| {
            let session = book.sessions.get_mut(hash)?;
            session.record.seen = now.wall;
            Some(put(AccessTable::Sessions, hash, &session.record))
        });
        self.keep_soon(write.ok().flatten().into_iter().collect());
    }

    /// Ends a session.
    pub(crate) fn close_session(&self, hash: &[u8; 32]) -> Result<(), Problem> {
        let write = self.change(|book| book.end_session(hash))?;
        self.keep_soon(write.into_iter().collect());
        Ok(())
    }
}

impl Book {
    pub(crate) fn end_session(&mut self, hash: &[u8; 32]) -> Option<AccessWrite> {
        self.sessions.remove(hash).map(|_| drop_record(AccessTable::Sessions, hash))
    }

    /// Ends sessions that are over and, if there are too many, the one unseen longest.
    fn make_room(&mut self, now: Now) -> Vec<AccessWrite> {
        let mut gone: Vec<_> = self.sessions.iter().filter(|(_, s)| s.is_over(now)).map(|(h, _)| *h).collect();
        if self.sessions.len() - gone.len() >= MAX_SESSIONS {
            let oldest = self.sessions.iter().min_by_key(|(_, s)| s.seen_mono_ms.load(Ordering::Relaxed));
            gone.extend(oldest.map(|(h, _)| *h));
        }
        gone.iter().filter_map(|hash| self.end_session(hash)).collect()
    }
}
