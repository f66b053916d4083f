//! The numbers that somebody said something about: by hash, and as a list with versions. Made from the node's answers when
//! an app asks, and kept while nothing changes.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use meerkat_core::{Command, Reply, Snapshot};
use meerkat_protocols::{number::E164, wishes::Subject};
use sha1::{Digest, Sha1};
use tokio::sync::Mutex;

use crate::{
    Wiring,
    lookup::{
        Blocklist, ListedNumber,
        words::{Rating, Votes, begins_ms},
    },
    numbers::assess,
    problem::Problem,
};

/// How old the catalogue may be, in milliseconds, once something has changed. An app on the phone asks while it rings, but
/// rebuilding at every change would let a busy neighbourhood keep the engine busy.
const MAX_AGE_MS: u64 = 10_000;
/// The most numbers of a catalogue: each is a question to the engine, about 20 us.
const MAX_NUMBERS: usize = 50_000;
/// The most numbers of one answer by hash. With 50,000 numbers, four hexadecimal digits are those of one.
const MAX_MATCHES: usize = 64;
/// The most numbers remembered as taken off the list; with more, copies are made anew.
const MAX_TAKEN_OFF: usize = 20_000;

/// By what is seen that nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mark {
    accepted: u64,
    statements: usize,
    numbers: usize,
    neighbours: usize,
    day: Option<u16>,
    lists: usize,
}

impl Mark {
    fn of(snapshot: &Snapshot, day: Option<u16>) -> Self {
        Self {
            accepted: snapshot.counts.accepted,
            statements: snapshot.statements,
            numbers: snapshot.numbers,
            neighbours: Arc::as_ptr(&snapshot.neighbours) as usize,
            day,
            // The lists are never changed in place while somebody holds them.
            lists: Arc::as_ptr(&snapshot.lists) as usize,
        }
    }
}

/// What apps look numbers up in.
#[derive(Clone, Default)]
pub(crate) struct Catalogue(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// One builds at a time.
    kept: Mutex<Kept>,
    hashes: RwLock<Arc<BTreeMap<String, E164>>>,
}

#[derive(Default)]
struct Kept {
    made: Option<(Mark, u64)>,
    /// Holds the lists of the mark, so that their address is not used again.
    held: Option<Arc<Snapshot>>,
    versions: Versions,
    known: Vec<E164>,
}

/// The list with the version at which each number changed last.
#[derive(Debug, Default)]
struct Versions {
    listed: BTreeMap<E164, (ListedNumber, i64)>,
    taken_off: BTreeMap<E164, i64>,
    /// Copies before this version are of another run of the node.
    first: i64,
    version: i64,
}

impl Catalogue {
    /// The numbers whose hash begins so.
    pub(crate) async fn numbers(&self, wiring: &Wiring, beginning: &str) -> Result<Vec<E164>, Problem> {
        drop(self.fresh(wiring).await?);
        let hashes = Arc::clone(&self.0.hashes.read().unwrap_or_else(PoisonError::into_inner));
        let from = hashes.range(beginning.to_owned()..);
        Ok(from.take_while(|(hash, _)| hash.starts_with(beginning)).map(|(_, n)| *n).take(MAX_MATCHES).collect())
    }

    /// What is kept from ringing, or what changed since a version.
    pub(crate) async fn blocklist(&self, wiring: &Wiring, since: Option<i64>) -> Result<Blocklist, Problem> {
        let kept = self.fresh(wiring).await?;
        Ok(kept.versions.since(since, &kept.known))
    }

    async fn fresh(&self, wiring: &Wiring) -> Result<tokio::sync::MutexGuard<'_, Kept>, Problem> {
        let mut kept = self.0.kept.lock().await;
        let now = (wiring.clock)();
        let snapshot = Arc::clone(&wiring.snapshot.borrow());
        let mark = Mark::of(&snapshot, now.day().map(|d| d.0));
        let stands = kept.made.as_ref().is_some_and(|(made, at)| {
            // What a person of the home decides counts at once.
            let own = made.lists == mark.lists && made.neighbours == mark.neighbours;
            *made == mark || (own && now.mono_ms.saturating_sub(*at) < MAX_AGE_MS)
        });
        if !stands {
            let known = known(wiring, &snapshot).await?;
            let listed = listed(wiring, &known).await?;
            kept.versions.update(listed, now.wall.unwrap_or(1));
            let hashes = known.iter().map(|n| (hash(*n), *n)).collect();
            *self.0.hashes.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(hashes);
            (kept.made, kept.held, kept.known) = (Some((mark, now.mono_ms)), Some(snapshot), known);
        }
        Ok(kept)
    }
}

/// Every number that somebody said something about, the home's own lists first.
async fn known(wiring: &Wiring, snapshot: &Snapshot) -> Result<Vec<E164>, Problem> {
    let number = |subject: &Subject| if let Subject::Number(n) = subject { Some(*n) } else { None };
    let mut known: Vec<E164> = snapshot.lists.keys().filter_map(number).collect();
    let mut after = None;
    while known.len() < MAX_NUMBERS {
        let most = Command::MAX_KNOWN_NUMBERS;
        let piece = match wiring.command(Command::KnownNumbers { after, most }).await? {
            Reply::KnownNumbers(piece) => piece,
            other => return Err(wiring.unexpected(&other)),
        };
        after = piece.last().copied();
        known.extend_from_slice(&piece);
        if piece.len() < usize::from(most) {
            break;
        }
    }
    if known.len() >= MAX_NUMBERS {
        tracing::warn!(MAX_NUMBERS, "phone apps see only a part of the numbers: there are more than fit");
    }
    known.sort_unstable();
    known.dedup();
    Ok(known)
}

/// Those that the node keeps from ringing.
async fn listed(wiring: &Wiring, known: &[E164]) -> Result<BTreeMap<E164, ListedNumber>, Problem> {
    let mut listed = BTreeMap::new();
    for number in known {
        let assessment = assess(wiring, number.reveal()).await?;
        let Votes { votes, rating } = Votes::of(&assessment);
        if rating == Rating::Legitimate {
            continue;
        }
        let last_activity = begins_ms(assessment.claims.iter().map(|c| c.day).max());
        listed.insert(*number, ListedNumber { phone: number.reveal(), votes, rating, last_activity });
    }
    Ok(listed)
}

fn hash(number: E164) -> String {
    data_encoding::HEXLOWER.encode(&Sha1::digest(number.reveal().as_bytes()))
}

impl Versions {
    /// Takes over what is listed now. `now` is where versions begin: later than those of any earlier run, which took fewer than
    /// one a second.
    fn update(&mut self, listed: BTreeMap<E164, ListedNumber>, now: i64) {
        let next = if self.version == 0 { now } else { self.version + 1 };
        if self.version == 0 {
            self.first = next;
        }
        let gone: Vec<_> = self.listed.keys().filter(|n| !listed.contains_key(n)).copied().collect();
        let mut changed = self.version == 0 || !gone.is_empty();
        for number in gone {
            self.listed.remove(&number);
            self.taken_off.insert(number, next);
        }
        for (number, entry) in listed {
            if self.listed.get(&number).is_none_or(|(held, _)| *held != entry) {
                self.taken_off.remove(&number);
                self.listed.insert(number, (entry, next));
                changed = true;
            }
        }
        if changed {
            self.version = next;
        }
        if self.taken_off.len() > MAX_TAKEN_OFF {
            self.taken_off.clear();
            self.first = self.version;
        }
    }

    /// What a copy of this version lacks. A copy that this run of the node knows nothing about gets the whole list, and is
    /// told of all numbers that are known and not on it.
    fn since(&self, since: Option<i64>, known: &[E164]) -> Blocklist {
        let ours = since.filter(|s| (self.first..=self.version).contains(s));
        let mut numbers: Vec<_> = self
            .listed
            .values()
            .filter(|(_, changed)| ours.is_none_or(|since| *changed > since))
            .map(|(entry, _)| entry.clone())
            .collect();
        match (since, ours) {
            (None, _) => {}
            (Some(_), Some(since)) => {
                numbers.extend(self.taken_off.iter().filter(|(_, at)| **at > since).map(|(n, _)| taken_off(*n)));
            }
            (Some(_), None) => {
                numbers.extend(known.iter().filter(|n| !self.listed.contains_key(n)).map(|n| taken_off(*n)));
            }
        }
        Blocklist { numbers, version: self.version }
    }
}

fn taken_off(number: E164) -> ListedNumber {
    ListedNumber { phone: number.reveal(), votes: 0, rating: Rating::Legitimate, last_activity: 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(digits: u64) -> E164 {
        E164::from_digits(digits).expect("in range")
    }

    fn listed(digits: &[u64]) -> BTreeMap<E164, ListedNumber> {
        let entry = |n: E164| ListedNumber { phone: n.reveal(), votes: 100, rating: Rating::Fraud, last_activity: 0 };
        digits.iter().map(|d| (number(*d), entry(number(*d)))).collect()
    }

    fn told(versions: &Versions, since: Option<i64>, known: &[u64]) -> (Vec<(String, u16)>, i64) {
        let known: Vec<_> = known.iter().map(|d| number(*d)).collect();
        let Blocklist { numbers, version } = versions.since(since, &known);
        (numbers.into_iter().map(|n| (n.phone, n.votes)).collect(), version)
    }

    fn rows(of: &[(&str, u16)]) -> Vec<(String, u16)> {
        of.iter().map(|(phone, votes)| ((*phone).to_owned(), *votes)).collect()
    }

    #[test]
    fn a_hash_is_that_of_the_international_form() {
        // The example of the API's own description.
        assert_eq!(hash(number(4_917_650_642_602)), "3d1d76f0c3664e1e818c6eccfd8843ad1f4091cc");
    }

    #[test]
    fn a_copy_is_told_what_it_lacks_and_what_to_take_off() {
        let mut versions = Versions::default();
        versions.update(listed(&[4_930_901_820, 4_930_901_821]), 1_000);
        let whole = rows(&[("+4930901820", 100), ("+4930901821", 100)]);
        assert_eq!(told(&versions, None, &[]), (whole.clone(), 1_000));
        assert_eq!(told(&versions, Some(1_000), &[]), (vec![], 1_000));
        versions.update(listed(&[4_930_901_821, 4_930_901_822]), 1_060);
        let changes = rows(&[("+4930901822", 100), ("+4930901820", 0)]);
        assert_eq!(told(&versions, Some(1_000), &[]), (changes, 1_001));
        assert_eq!(told(&versions, Some(1_001), &[]), (vec![], 1_001));
        versions.update(listed(&[4_930_901_821, 4_930_901_822]), 1_120);
        assert_eq!(versions.version, 1_001, "nothing has changed");
        versions.update(listed(&[4_930_901_820, 4_930_901_821, 4_930_901_822]), 1_180);
        assert_eq!(told(&versions, Some(1_000), &[]).0.iter().filter(|(_, votes)| *votes == 0).count(), 0);
    }

    #[test]
    fn a_copy_of_an_earlier_run_is_told_everything_that_is_known() {
        let mut versions = Versions::default();
        versions.update(listed(&[4_930_901_820]), 1_000);
        let known = [4_930_901_820, 4_930_901_821];
        let all = rows(&[("+4930901820", 100), ("+4930901821", 0)]);
        for since in [0, 999, 1_001, -1, i64::MAX] {
            assert_eq!(told(&versions, Some(since), &known), (all.clone(), 1_000), "{since}");
        }
    }

    #[test]
    fn what_was_taken_off_is_remembered_to_a_limit() {
        let mut versions = Versions::default();
        let many: Vec<_> = (0..=MAX_TAKEN_OFF as u64).map(|n| 4_930_000_000 + n).collect();
        versions.update(listed(&many), 1_000);
        versions.update(BTreeMap::new(), 1_060);
        assert!(versions.taken_off.is_empty());
        assert_eq!(told(&versions, Some(1_000), &[4_930_000_000]).0, rows(&[("+4930000000", 0)]));
    }
}
