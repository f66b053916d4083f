//! What people of the home ask: each command checked, carried out, and answered when it is saved.

use std::{collections::BTreeMap, sync::Arc};

use meerkat_protocols::{
    batch::Write,
    facts::{Erased, Fact, NumberHash},
    home::{Card, HomeId},
    number::{Caller, E164, Region, classify, parse_typed},
    phone::BlockedBy,
    roster::Change,
    statement::{Body, Category, Kind},
    text,
    time::Now,
    wishes::{
        Acknowledged, DocumentId, Edit, Entry, MAX_ENTRIES, MAX_LABEL_CHARS, NodeNote, Settings, Subject, person_name,
    },
};

use crate::{
    command::{Assessment, Claim, Command, CommandId, Refusal, Reply, Through},
    event::Event,
    evidence::{HomeNo, LiveReport},
    household::Then,
    input::JobId,
    node::Node,
    output::{Job, Output, Promise, Urgency},
    score::{Tally, View},
    trust::Flow,
};

/// A change of a document under way, and who is told when it is saved.
pub(crate) struct Editing {
    command: Option<CommandId>,
    edit: Edit,
}

/// Changes of documents under way.
pub(crate) type Edits = BTreeMap<JobId, Editing>;

/// The most changes of documents under way; the page makes one at a time.
const MAX_EDITS: usize = 1_024;

/// The most homes that have a name here; twelve can be answered for, the others were once.
const MAX_NAMES: usize = 1_024;

impl Editing {
    /// In which document.
    pub(crate) fn document(&self) -> DocumentId {
        self.edit.document()
    }
}

impl Node {
    /// Carries out what a person asks.
    pub(crate) fn command(&mut self, now: Now, id: CommandId, command: Command) {
        let done = match command {
            Command::Check(text) => {
                // A person can wait for what a ringing call does not.
                self.rank();
                if self.ranges.due_ms().is_some() {
                    self.find_ranges(now);
                }
                let assessment = self.assess(now, &text);
                self.put(Output::Reply(id, Ok(Reply::Checked(Box::new(assessment)))));
                Ok(())
            }
            Command::KnownNumbers { after, most } => {
                let most = usize::from(most.min(Command::MAX_KNOWN_NUMBERS));
                let known = self.evidence.numbers_after(after).take(most).collect();
                self.put(Output::Reply(id, Ok(Reply::KnownNumbers(known))));
                Ok(())
            }
            Command::VouchGraph { most } => {
                self.rank();
                let graph = self.vouch_graph(most);
                self.put(Output::Reply(id, Ok(Reply::VouchGraph(Box::new(graph)))));
                Ok(())
            }
            Command::Report { number, category } => {
                self.typed(&number).and_then(|n| self.say_report(now, Some(id), n, category))
            }
            Command::Retract { number } => self.typed(&number).and_then(|n| self.say_retraction(now, id, n)),
            Command::Vouch { card, name } => self.vouch(now, id, card, &name),
            Command::Unvouch(home) => self.unvouch(now, id, home),
            Command::Invite { name, vouches, lifetime_s } => self.invite(now, id, (&name, vouches, lifetime_s)),
            Command::RevokeInvite(invite) => self.revoke_invite(id, invite),
            Command::Join { text, name, vouches } => self.join(now, id, (&text, &name, vouches)),
            Command::Meet(peer) => self.meet(now, id, peer),
            Command::ConfirmMeeting { peer, same, name } => self.confirm_meeting(now, id, (peer, same, name)),
            Command::Ping(peer) => {
                self.ping(id, peer);
                Ok(())
            }
            Command::WriteLetter { to, id: letter, content } => self.write_letter(now, id, to, letter, content),
            Command::UndoLetter { to, id: letter } => self.undo_letter(now, id, to, letter),
            Command::LettersRead { from, up_to } => self.letters_read(id, from, up_to),
            Command::ForgetLetters(home) => self.forget_letters(now, id, home),
            Command::Edit(edit) => self.edit(Some(id), edit),
            Command::ChangeHousehold(Change::Add(_)) => {
                Err(Refusal::Invalid("a node is added by an invite that it uses itself".to_owned()))
            }
            Command::ChangeHousehold(change) => self.change_household(now, change, Then::Reply(id)),
            Command::Enrol(command) => self.enrol_command(now, id, command),
            Command::Release(command) => self.release_command(now, id, command),
            Command::BackedUp { file, problem } => {
                self.backed_up(now, &file, problem);
                self.put(Output::Reply(id, Ok(Reply::Saved)));
                Ok(())
            }
            Command::Acknowledge { key, by } => self.acknowledge(now, id, &key, &by),
            Command::Import { import, kept, replace } => self.import(id, *import, kept, replace),
            Command::UndoImport(import) => self.undo_import(id, import),
            Command::Forget { number } => self.typed(&number).map(|n| self.forget(now, id, n)),
        };
        if let Err(refusal) = done {
            self.put(Output::Reply(id, Err(refusal)));
        }
    }

    fn typed(&self, text: &str) -> Result<E164, Refusal> {
        parse_typed(text, self.region).map_err(|e| Refusal::NotANumber(e.to_string()))
    }

    /// Forgets the calls from a number, those that wait to be written included, and has the other nodes of the home do so.
    fn forget(&mut self, now: Now, id: CommandId, number: E164) {
        self.calls.forget(number);
        self.put(Output::Write(Write::ForgetNumber(number), Urgency::Now));
        if self.others().next().is_some() {
            let number = NumberHash::of(self.home(), number);
            self.note(Fact::Erased(Erased { number, at: now.wall, known: Vec::new() }), Urgency::Now);
        }
        self.put(Output::AfterCommit(Promise::Event(Event::NumberForgotten(number))));
        self.put(Output::AfterCommit(Promise::Reply(id, Reply::Forgotten(number))));
    }

    /// How a call from this text would be decided now, with all that is known.
    fn assess(&self, now: Now, text: &str) -> Assessment {
        let caller = classify(text, self.region);
        let decision = self.decide(now, &caller, None);
        let reports = match caller {
            Caller::Number(number) => self.evidence.reports(number),
            Caller::Special(_) | Caller::Internal(_) | Caller::Anonymous | Caller::Invalid(_) => Vec::new(),
        };
        let view = self.view(now);
        let listed = match caller {
            Caller::Number(number) => self.published(now, number).weight,
            Caller::Special(_) | Caller::Internal(_) | Caller::Anonymous | Caller::Invalid(_) => 0,
        };
        let (tally, (mut claims, through)) = Tally::looking(&reports, view, |support, contradiction| {
            (self.claims(&reports, view, [support, contradiction]), self.through(support, contradiction))
        });
        let tally = tally.with_lists(listed);
        // Where the block of numbers decides, no word about the number would change it as if it did not.
        let quiet = self.would_be_quiet(now, &caller, &decision);
        let by_evidence = matches!(caller, Caller::Number(_))
            && decision.by == BlockedBy::Neighbours
            && decision.verdict == tally.verdict();
        let confirmations = claims.iter().filter(|c| c.weight > 0 && !c.own && c.category != Category::Legit).count();
        claims.truncate(Assessment::MAX_CLAIMS);
        Assessment {
            caller,
            verdict: decision.verdict,
            reasons: decision.reasons,
            quiet,
            risk: decision.risk,
            reputation: tally.reputation(),
            confirmations: u16::try_from(confirmations).unwrap_or(u16::MAX),
            evidence: hundredths(tally.evidence()),
            through,
            changes: if by_evidence { tally.changes() } else { Vec::new() },
            claims,
        }
    }

    /// Who says what: this home first, then the heaviest, then the newest.
    fn claims(&self, reports: &[LiveReport], view: View<'_>, flows: [&Flow<'_>; 2]) -> Vec<Claim> {
        let carried = flows.iter().flat_map(|flow| flow.witnesses()).map(|(home, witness)| (home, witness.carried));
        let carried: BTreeMap<u32, u32> = carried.collect();
        let claim = |report: &LiveReport| {
            // Reports of homes that went out of reach are still kept for a while; that they once were in reach is chance.
            let distance = view.graph.distance(report.home.0)?;
            let (own, weight) = (report.home == self.own, view.weight(report));
            let counted = if own { weight } else { carried.get(&report.home.0).copied().unwrap_or(0) };
            Some(Claim {
                home: self.evidence.name(report.home),
                category: report.category,
                day: report.day,
                distance,
                weight: hundredths(weight),
                counted: hundredths(counted),
                own,
            })
        };
        let mut claims: Vec<Claim> = reports.iter().filter_map(claim).collect();
        claims.sort_by(|a, b| {
            let key = |c: &Claim| (c.own, c.counted, c.weight, c.day);
            key(b).cmp(&key(a)).then(a.home.cmp(&b.home))
        });
        claims
    }

    /// Through which homes that this one answers for the words come, the heaviest first.
    fn through(&self, support: &Flow<'_>, contradiction: &Flow<'_>) -> Vec<Through> {
        let mut carried: BTreeMap<u32, (u32, u32)> = BTreeMap::new();
        support.first_hops().for_each(|(home, amount)| carried.entry(home).or_default().0 = amount);
        contradiction.first_hops().for_each(|(home, amount)| carried.entry(home).or_default().1 = amount);
        let through = |(home, (against, legit))| Through {
            home: self.evidence.name(HomeNo(home)),
            against: hundredths(against),
            legit: hundredths(legit),
        };
        let mut all: Vec<Through> = carried.into_iter().map(through).collect();
        all.sort_by(|a, b| (b.against, b.legit).cmp(&(a.against, a.legit)).then(a.home.cmp(&b.home)));
        all
    }

    fn vouch(&mut self, now: Now, id: CommandId, card: Card, name: &str) -> Result<(), Refusal> {
        let home = card.0.home();
        if home == self.identity.home() {
            return Err(Refusal::OwnCard);
        }
        if card.0.key().is_none() {
            return Err(Refusal::Invalid("this card holds no usable key".to_owned()));
        }
        if self.vouched().contains(&home) {
            return Err(Refusal::AlreadyVouched);
        }
        self.check_vouches(now)?;
        let day = now.day().ok_or(Refusal::ClockNotSet)?;
        let name: String = text::inert(name).chars().take(MAX_LABEL_CHARS).collect();
        self.check_busy()?;
        self.say(Some(id), day, Body::Vouch(card.0), |_| (Reply::Vouched(home), Event::VouchChanged(home)))?;
        if !name.is_empty() {
            self.edit(None, Edit::NameNeighbour(home, name))?;
        }
        Ok(())
    }

    fn unvouch(&mut self, now: Now, id: CommandId, home: HomeId) -> Result<(), Refusal> {
        let no = self.evidence.find(home).filter(|no| self.reach.own().contains_key(no)).ok_or(Refusal::NotVouched)?;
        let day = now.day().ok_or(Refusal::ClockNotSet)?;
        self.check_busy()?;
        // A vouch that was renewed stands twice for a while; the answer waits for the last to be taken back.
        let vouches = self.evidence.vouches_of(self.own).filter(|(whom, ..)| *whom == no);
        let mut vouches: Vec<_> = vouches.map(|(_, of, slot)| (of, slot)).collect();
        let last = vouches.pop().ok_or(Refusal::NotVouched)?;
        let told = |_| (Reply::Unvouched(home), Event::VouchChanged(home));
        for (of, slot) in vouches {
            self.say(None, day, Body::Retraction { kind: Kind::Vouch, day: of, slot }, told)?;
        }
        self.say(Some(id), day, Body::Retraction { kind: Kind::Vouch, day: last.0, slot: last.1 }, told)?;
        self.drop_invites_used_by(home);
        if self.names.contains_key(&home) {
            self.edit(None, Edit::ForgetNeighbour(home))?;
        }
        Ok(())
    }

    fn check_busy(&self) -> Result<(), Refusal> {
        if self.edits.len() >= MAX_EDITS { Err(Refusal::Busy) } else { Ok(()) }
    }

    pub(crate) fn edit(&mut self, command: Option<CommandId>, edit: Edit) -> Result<(), Refusal> {
        self.check_busy()?;
        self.check_edit(&edit)?;
        let edit = tidy(edit);
        let job = self.start(Job::Edit(edit.clone()));
        self.edits.insert(job, Editing { command, edit });
        Ok(())
    }

    fn check_edit(&self, edit: &Edit) -> Result<(), Refusal> {
        match edit {
            Edit::SetEntry(subject, _) => {
                if Subject::from_key(&subject.key()).as_ref() != Some(subject) {
                    return Err(Refusal::Invalid(format!("{subject:?} can be the beginning of no number")));
                }
                let full = self.lists.len() >= MAX_ENTRIES && !self.lists.contains_key(subject);
                if full { Err(Refusal::ListsFull) } else { Ok(()) }
            }
            Edit::SetSettings(settings) => self.check_settings(settings),
            Edit::NameNeighbour(home, _) => {
                let full = self.names.len() >= MAX_NAMES && !self.names.contains_key(home);
                if full { Err(Refusal::ListsFull) } else { Ok(()) }
            }
            Edit::RemoveEntry(_) | Edit::EraseEntry(_) | Edit::ForgetNeighbour(_) => Ok(()),
            other => self.check_shared_edit(other),
        }
    }

    fn check_settings(&self, new: &Settings) -> Result<(), Refusal> {
        new.region.parse::<Region>().map_err(|e| Refusal::Invalid(e.to_string()))?;
        let changed = [
            ("region", new.region != self.settings.region),
            ("anonymous", new.anonymous != self.settings.anonymous),
            ("invalid", new.invalid != self.settings.invalid),
        ];
        match changed.iter().find(|(name, changed)| *changed && self.pinned.iter().any(|p| p == name)) {
            Some((name, _)) => Err(Refusal::Pinned((*name).to_owned())),
            None => Ok(()),
        }
    }

    /// A document was changed: use the change, and say so once it is on disk.
    pub(crate) fn edited(&mut self, job: JobId, result: Result<Vec<Write>, String>) {
        let Some(Editing { command, edit }) = self.edits.remove(&job) else { return };
        match result {
            Ok(writes) => {
                let document = edit.document();
                let event = self.apply(edit);
                for write in writes {
                    self.put(Output::Write(write, Urgency::Now));
                }
                self.document_changed(document, None);
                self.put(Output::AfterCommit(Promise::Event(event)));
                if let Some(command) = command {
                    self.put(Output::AfterCommit(Promise::Reply(command, Reply::Saved)));
                }
            }
            Err(why) => {
                if let Some(command) = command {
                    self.put(Output::Reply(command, Err(Refusal::Invalid(why))));
                }
            }
        }
    }

    fn apply(&mut self, edit: Edit) -> Event {
        match edit {
            Edit::SetEntry(subject, entry) => {
                Arc::make_mut(&mut self.lists).insert(subject.clone(), entry);
                self.settle_dispute(&subject);
                Event::ListsChanged(subject)
            }
            Edit::RemoveEntry(subject) | Edit::EraseEntry(subject) => {
                Arc::make_mut(&mut self.lists).remove(&subject);
                self.settle_dispute(&subject);
                Event::ListsChanged(subject)
            }
            Edit::SetSettings(settings) => {
                self.use_settings(settings);
                self.hear();
                Event::SettingsChanged
            }
            Edit::NameNeighbour(home, name) => {
                self.names.insert(home, name);
                self.neighbours = None;
                Event::VouchChanged(home)
            }
            Edit::ForgetNeighbour(home) => {
                self.names.remove(&home);
                self.neighbours = None;
                Event::VouchChanged(home)
            }
            other => self.apply_shared(other),
        }
    }
}

fn hundredths(weight: u32) -> u16 {
    u16::try_from(weight).unwrap_or(u16::MAX)
}

/// The edit with its texts inert and within their bounds, so that what the node shows is what the document keeps.
fn tidy(edit: Edit) -> Edit {
    match edit {
        Edit::SetEntry(subject, entry) => {
            Edit::SetEntry(subject, Entry::tidy(entry.standing, &entry.label, &entry.notes))
        }
        Edit::NameNeighbour(home, name) => {
            Edit::NameNeighbour(home, text::inert(&name).chars().take(MAX_LABEL_CHARS).collect())
        }
        Edit::SetPerson(number, name) => Edit::SetPerson(number, person_name(&name)),
        Edit::NoteNode(node, note) => Edit::NoteNode(node, NodeNote::tidy(&note.place, &note.notes)),
        Edit::Acknowledge(key, seen) => Edit::Acknowledge(key, Acknowledged::new(seen.at, &seen.by)),
        other => other,
    }
}
