//! What members told is followed: what is lacking is asked for, and what comes is checked against the log's chain.

use std::collections::BTreeSet;

use meerkat_protocols::{
    batch::Write,
    facts::{Entry, Head, Link, LogChange, LogId, LogMark, Received, Seq, SignedHead},
    home::NodeNumber,
    time::Now,
};

use super::{
    AGAIN_MS, AVOID_MS, Facts, Fetch, Keys, MAX_FETCHES, MAX_HURT, MOST, Part, RATE_S, Step, TELL_MS, Told, Want,
    Wanted, Word,
};

/// Links that are remembered until a head vouches for them: with 64 entries to a head it is one of them at most.
const MAX_UNVOUCHED: usize = 8_192;

impl<R> Facts<R> {
    /// A member's answer, or that it gave none.
    pub(crate) fn answered(&mut self, now: Now, keys: &impl Keys, from: NodeNumber, asked: &Word, word: Option<Word>) {
        match (asked, word) {
            (Word::Tell(_), word) => {
                if let Some(member) = self.members.get_mut(&from) {
                    member.telling = false;
                    if word.is_none() {
                        member.news.extend(self.logs.keys().copied());
                        member.tell_due_ms = now.mono_ms + AGAIN_MS;
                    } else if !member.news.is_empty() {
                        member.tell_due_ms = now.mono_ms + TELL_MS;
                    }
                }
                if let Some(Word::Tell(told)) = word {
                    self.heard(now, keys, from, told);
                }
            }
            (Word::Want(wanted), word) => {
                let Some(fetch) = self.fetches.remove(&wanted.log) else { return };
                match word {
                    Some(Word::Part(part)) if part.log == wanted.log => self.took(now, keys, &fetch, part),
                    _ => _ = self.avoid.insert((from, wanted.log), now.mono_ms + AGAIN_MS),
                }
            }
            (Word::Part(_), _) => {}
        }
        self.mind(now);
    }

    /// What a member holds.
    pub(super) fn heard(&mut self, now: Now, keys: &impl Keys, from: NodeNumber, told: Vec<Told>) {
        for told in told.into_iter().filter(|told| keys.key_of(told.log.node).is_some()) {
            if let Some(head) = told.head.clone() {
                self.heard_head(keys, told.log, from, head);
            }
            if let Some(member) = self.members.get_mut(&from) {
                member.told.insert(told.log, told);
            }
        }
        self.mind(now);
    }

    /// A node's word on a log that is held as far, or further.
    fn heard_head(&mut self, keys: &impl Keys, log: LogId, from: NodeNumber, signed: SignedHead) {
        let Some(mark) = self.logs.get(&log).filter(|mark| log.node != self.own && mark.entries > 0) else { return };
        let Some(head) = signed.read(self.home).filter(|head| head.log() == log) else { return };
        let at = if head.next() == mark.next { Some(mark.link) } else { self.link_at(log, head.next()) };
        let Some(link) = at.filter(|_| head.next() > mark.verified) else { return };
        if !keys.key_of(log.node).is_some_and(|key| signed.holds(&key)) {
            return;
        }
        if link == head.link() {
            self.vouch(log, &head, signed);
        } else {
            self.forged(log, from);
        }
    }

    fn link_at(&self, log: LogId, next: Seq) -> Option<Link> {
        let links = self.unvouched.get(&log)?;
        links.binary_search_by_key(&next, |(at, _)| *at).ok().map(|found| links[found].1)
    }

    fn vouch(&mut self, log: LogId, head: &Head, signed: SignedHead) {
        let Some(mark) = self.logs.get_mut(&log) else { return };
        mark.vouched(head, signed.clone());
        if let Some(links) = self.unvouched.get_mut(&log) {
            links.retain(|(at, _)| *at > head.next());
        }
        self.put(Write::Log(Box::new(LogChange::Head(*head, signed))), false);
        self.members.values_mut().for_each(|member| _ = member.news.insert(log));
    }

    /// What is held of a log beyond its node's word is not the node's own: it goes and is asked for elsewhere.
    fn forged(&mut self, log: LogId, from: NodeNumber) {
        self.steps.push(Step::Forged(log, from));
        if let Some(mark) = self.logs.get_mut(&log) {
            (mark.next, mark.link) = (mark.verified, mark.verified_link);
        }
        self.unvouched.remove(&log);
        self.put(Write::Log(Box::new(LogChange::Cut(log))), false);
    }

    pub(super) fn put(&mut self, write: Write, more: bool) {
        self.steps.push(Step::Write(write, more));
        self.changed();
    }

    /// Asks for what is lacking: of the log's own node if it is there, else of who has most.
    pub(super) fn fetch(&mut self) {
        if self.lost || self.puts - self.loaded > MAX_FETCHES as u64 * 4 {
            return;
        }
        let told: BTreeSet<LogId> = self.members.values().flat_map(|m| m.told.keys().copied()).collect();
        for log in told {
            if self.fetches.len() >= MAX_FETCHES {
                return;
            }
            if self.fetches.contains_key(&log) {
                continue;
            }
            if let Some((from, at, why)) = self.lacking(log) {
                let most = if why == Want::Mend { 1 } else { MOST };
                self.fetches.insert(log, Fetch { from, at, why });
                self.steps.push(Step::Ask(from, Word::Want(Wanted { log, from: at, most })));
            }
        }
    }

    /// Whom to ask for what of a log, and why.
    fn lacking(&self, log: LogId) -> Option<(NodeNumber, Seq, Want)> {
        let mend = self.hurt.get(&log).and_then(|hurt| {
            let given = self.mends.get(&log);
            hurt.iter().find(|seq| given.is_none_or(|given| given.iter().all(|entry| entry.seq != **seq))).copied()
        });
        let next = self.logs.get(&log).map_or(Seq(0), |mark| mark.next);
        let can = |told: &Told| match mend {
            Some(seq) => told.low <= seq && seq < told.next,
            None => told.next > next && log.node != self.own,
        };
        let able = self.members.iter().filter_map(|(number, member)| Some((*number, member.told.get(&log)?)));
        let able = able.filter(|(number, told)| can(told) && !self.avoid.contains_key(&(*number, log)));
        // Who still has what follows here comes before who has not.
        let best = able.max_by_key(|(number, told)| (told.low <= next, *number == log.node, told.next));
        best.map(|(number, told)| match mend {
            Some(seq) => (number, seq, Want::Mend),
            None => (number, next.max(told.low), Want::Next),
        })
    }

    /// A part has come.
    fn took(&mut self, now: Now, keys: &impl Keys, fetch: &Fetch, part: Part) {
        if fetch.why == Want::Mend {
            return self.took_mend(now, fetch, part);
        }
        let log = part.log;
        let mut mark = self.logs.get(&log).cloned().unwrap_or_default();
        if mark.next > fetch.at {
            return;
        }
        let anew = fetch.at > mark.next || mark.entries == 0 && mark.next == Seq(0) || part.low > fetch.at;
        let first = fetch.at.max(part.low);
        // What no link leads to can only be checked from where it begins there.
        let restart = anew.then_some(part.base);
        if anew && first > part.low {
            _ = self.avoid.insert((fetch.from, log), now.mono_ms + AVOID_MS);
            return;
        }
        let from = if anew { first } else { mark.next };
        if let Some(base) = restart {
            mark.restart(first, base);
        }
        if part.entries.is_empty() && !(anew && part.head.is_some()) {
            _ = self.avoid.insert((fetch.from, log), now.mono_ms + AVOID_MS);
            return;
        }
        let head = part.head.as_ref().and_then(|signed| self.checked(keys, log, signed));
        match follow(log, &mut mark, &part.entries, head.as_ref()) {
            Some(links) => {
                self.keep(now, log, mark, links, Received { log, from, restart, entries: part.entries, head });
            }
            None => {
                self.avoid.insert((fetch.from, log), now.mono_ms + 10 * AVOID_MS);
                self.forged(log, fetch.from);
            }
        }
    }

    fn checked(&self, keys: &impl Keys, log: LogId, signed: &SignedHead) -> Option<(Head, SignedHead)> {
        let head = signed.read(self.home).filter(|head| head.log() == log)?;
        keys.key_of(log.node).filter(|key| signed.holds(key)).map(|_| (head, signed.clone()))
    }

    fn keep(&mut self, now: Now, log: LogId, mark: LogMark, links: Vec<(Seq, Link)>, mut received: Received) {
        received.head =
            received.head.filter(|(head, _)| mark.verified == head.next() && mark.verified_link == head.link());
        let second = now.mono_ms / 1_000;
        self.came.retain(|(at, _)| *at + RATE_S >= second);
        self.came.push((second, received.entries.len() as u64));
        let more = self.members.values().filter_map(|m| m.told.get(&log)).any(|told| told.next > mark.next);
        let known = self.unvouched.entry(log).or_default();
        known.extend(links);
        known.retain(|(at, _)| *at > mark.verified);
        let surplus = known.len().saturating_sub(MAX_UNVOUCHED);
        known.drain(..surplus);
        self.logs.insert(log, mark);
        self.put(Write::Received(Box::new(received)), more);
        self.members.values_mut().for_each(|member| _ = member.news.insert(log));
    }

    /// Damaged entries are fetched again.
    pub(super) fn found_damage(&mut self, log: LogId, found: &[Seq]) {
        let hurt = self.hurt.entry(log).or_default();
        hurt.extend(found.iter().take(MAX_HURT.saturating_sub(hurt.len())));
        if hurt.is_empty() {
            self.hurt.remove(&log);
        }
        self.steps.push(Step::Hurt(self.hurt.values().map(BTreeSet::len).sum()));
    }

    fn took_mend(&mut self, now: Now, fetch: &Fetch, part: Part) {
        let log = part.log;
        let Some(entry) = part.entries.into_iter().next().filter(|entry| entry.seq == fetch.at) else {
            _ = self.avoid.insert((fetch.from, log), now.mono_ms + AVOID_MS);
            return;
        };
        let given = self.mends.entry(log).or_default();
        given.push(entry);
        let hurt = self.hurt.get(&log).map_or(0, BTreeSet::len);
        if given.len() < hurt {
            return;
        }
        let entries = self.mends.remove(&log).unwrap_or_default();
        self.hurt.remove(&log);
        // What it could not mend is found again when the log is looked through.
        self.mended.insert(log);
        self.put(Write::Log(Box::new(LogChange::Mend(log, entries))), false);
    }
}

/// Follows entries along the chain; the links after each, or `None` if the node's own word says otherwise.
fn follow(
    log: LogId,
    mark: &mut LogMark,
    entries: &[Entry],
    head: Option<&(Head, SignedHead)>,
) -> Option<Vec<(Seq, Link)>> {
    let mut links = Vec::with_capacity(entries.len());
    for entry in entries {
        // A head may lie in a place that is empty in the log.
        if let Some((head, signed)) = head.filter(|(head, _)| mark.next <= head.next() && head.next() <= entry.seq) {
            // Were it past what came so far, entries between the two would have been left out.
            vouched_here(mark, head, signed).filter(|()| head.next() == mark.next)?;
        }
        if !mark.append(log, entry.seq, &entry.body.digest()) {
            return None;
        }
        links.push((mark.next, mark.link));
    }
    if let Some((head, signed)) = head.filter(|(head, _)| head.next() == mark.next) {
        vouched_here(mark, head, signed)?;
    }
    Some(links)
}

fn vouched_here(mark: &mut LogMark, head: &Head, signed: &SignedHead) -> Option<()> {
    if head.next() != mark.next {
        return Some(());
    }
    if head.link() != mark.link {
        return None;
    }
    if head.next() > mark.verified || mark.head.is_none() {
        mark.vouched(head, signed.clone());
    }
    Some(())
}
