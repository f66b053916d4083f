//! The node: routes each input to the part it concerns and holds no rule of its own.

use std::{collections::VecDeque, sync::Arc};

use meerkat_numberlists::{Image, ImportId};
use meerkat_protocols::{
    chance::Chance,
    home::{Card, HomeId},
    mail::Kept,
    mesh,
    number::{Caller, Region},
    phone::Verstat,
    statement::{Read, Sealed},
    ticket::Invite,
    time::{Day, Now},
    wishes::{Lists, NeighbourNames, Settings},
};

use crate::{
    acts::Acts,
    admission::Held,
    agreement::Agreement,
    alarms::{Alarm, Alarms},
    calendar::Calendar,
    contacts::Contacts,
    delegates::Delegates,
    direct::Direct,
    enrolling::Enrolling,
    event::Event,
    evidence::{Evidence, HomeNo, Inserted},
    exchanges::{Notice, set_of},
    household::{Abouts, Household, facts::FactsEnd},
    imports::{self, ImportState},
    input::{Done, Identity, Input, JobId, Restored},
    invites::Invites,
    joins::Joins,
    mail::Mail,
    meetings::Meetings,
    neighbourhood::Mesh,
    newcomers::Newcomers,
    output::{Job, Output},
    peers::Peers,
    people::Edits,
    phone::Calls,
    presence::Presence,
    quiet::Quiet,
    ranges::Ranges,
    releases::Releases,
    score::{Tally, View},
    screening::{self, Decision},
    shared::Shared,
    snapshot::{Counts, Neighbour, Snapshot},
    speaker::Speaker,
    vouches::{MAX_VOUCHES, Ranked, Reach},
};

/// How often what has expired is looked for, and what is about to is renewed.
const HOUR_MS: u64 = 3_600_000;

/// One node of one home: all its decisions.
pub struct Node {
    pub(crate) identity: Identity,
    pub(crate) own: HomeNo,
    pub(crate) region: Region,
    pub(crate) settings: Settings,
    pub(crate) pinned: Vec<String>,
    pub(crate) lists: Arc<Lists>,
    pub(crate) names: NeighbourNames,
    pub(crate) shared: Shared,
    pub(crate) agreement: Agreement,
    pub(crate) evidence: Evidence,
    pub(crate) reach: Reach,
    pub(crate) graph: Ranked,
    pub(crate) held: Held,
    pub(crate) calendar: Calendar,
    pub(crate) speaker: Speaker,
    pub(crate) edits: Edits,
    pub(crate) calls: Calls,
    pub(crate) image: Image,
    pub(crate) imports: Arc<Vec<ImportState>>,
    pub(crate) ranges: Ranges,
    pub(crate) quiet: Quiet,
    pub(crate) mesh: Mesh,
    pub(crate) mail: Mail,
    pub(crate) direct: Direct,
    pub(crate) peers: Peers,
    pub(crate) household: Household,
    pub(crate) enrolling: Enrolling,
    pub(crate) facts: FactsEnd,
    pub(crate) releases: Releases,
    pub(crate) acts: Acts,
    pub(crate) contacts: Contacts,
    pub(crate) delegates: Delegates,
    pub(crate) presence: Presence,
    pub(crate) invites: Invites,
    pub(crate) joins: Joins,
    pub(crate) meetings: Meetings,
    pub(crate) newcomers: Newcomers,
    pub(crate) chance: Chance,
    pub(crate) counts: Counts,
    pub(crate) neighbours: Option<Arc<Vec<Neighbour>>>,
    kept_invites: Vec<Invite>,
    alarms: Alarms,
    out: VecDeque<Output>,
    next_job: u64,
    hourly_at_ms: u64,
}

impl Node {
    /// The node with what the store gave back. Its statements follow by [`Node::restore`].
    #[must_use]
    pub fn new(identity: Identity, restored: Restored) -> Self {
        let mut evidence = Evidence::default();
        let own = evidence.number_of(identity.home());
        let mut household = Household::restored(identity.genesis, restored.roster, restored.epochs, restored.run);
        household.abouts = Abouts::of_machine(restored.machine);
        evidence.know(identity.genesis);
        let mut wishes = restored.wishes;
        let shared = Shared::of(&mut wishes);
        let (peers, surplus) = Peers::restored(restored.peers);
        let mut node = Self {
            own,
            region: fallback_region(),
            settings: Settings::default(),
            pinned: restored.pinned,
            lists: Arc::new(wishes.lists),
            names: wishes.neighbours,
            shared,
            agreement: Agreement::default(),
            evidence,
            reach: Reach::default(),
            graph: Ranked::default(),
            held: Held::default(),
            calendar: Calendar::default(),
            speaker: Speaker::with_slots(restored.own_slots, identity.share),
            edits: Edits::new(),
            calls: Calls::starting_at(restored.next_call),
            image: Image::default(),
            imports: Arc::default(),
            ranges: Ranges::default(),
            quiet: Quiet::in_zone(restored.zone),
            mesh: Mesh::default(),
            mail: Mail::with_marks(restored.marks),
            direct: Direct::default(),
            peers,
            household,
            enrolling: Enrolling::default(),
            releases: Releases::restored(restored.entrusted, restored.releases),
            acts: Acts::default(),
            facts: FactsEnd::new(identity.node, identity.home(), restored.logs),
            contacts: Contacts::restored(restored.contacts),
            delegates: Delegates::default(),
            presence: Presence::default(),
            invites: Invites::default(),
            joins: Joins::default(),
            meetings: Meetings::default(),
            newcomers: Newcomers::default(),
            kept_invites: restored.invites,
            chance: restored.chance,
            counts: Counts::default(),
            neighbours: None,
            alarms: Alarms::default(),
            out: VecDeque::new(),
            next_job: 0,
            hourly_at_ms: 0,
            identity,
        };
        node.use_settings(wishes.settings);
        node.drop_peers(surplus);
        for (id, import) in restored.imports {
            // They fitted when they were taken in.
            if node.image.restore(ImportId(id), import).is_ok() {
                node.imports = imports::list(&node.image);
            }
        }
        node
    }

    /// Takes back a statement that the store kept; its signature was checked when it came.
    pub fn restore(&mut self, sealed: &Sealed) -> Option<Notice> {
        let Ok(Read::Statement(statement)) = sealed.read() else { return None };
        let id = sealed.id();
        let inserted = self.evidence.insert(&statement, id, true);
        if (statement.home, statement.node) == (self.home(), self.identity.node) {
            self.speaker.has_said(&statement);
        }
        self.heard_delegation(&statement, sealed);
        let kept = matches!(inserted, Inserted::New | Inserted::Equivocation);
        kept.then(|| Notice::Kept { set: set_of(&statement), id, fresh_since_ms: None })
    }

    /// Takes back a letter that the store kept; those of one home come in their order.
    pub fn restore_letter(&mut self, kept: Kept) {
        self.mail.restore(kept);
    }

    /// All statements are back: from now on the node decides.
    pub fn restored(&mut self, now: Now) {
        self.know_household();
        self.evidence.settle_all();
        self.walk(now);
        self.hear();
        self.begin_contacts();
        self.begin_household(now);
        self.begin_releases(now);
        let invites = std::mem::take(&mut self.kept_invites);
        self.restore_invites(now, invites);
        self.rank();
        self.drop_given_up();
        self.recall_day(now);
        self.look_at_clock(now);
        self.tick(now);
        self.tell_day(now);
        self.find_ranges(now);
    }

    /// Takes in one thing that happened. What is to be done about it is drained by [`Node::poll_output`].
    pub fn handle(&mut self, now: Now, input: Input) {
        // A ringing call waits neither for the hourly work nor for the ranking of homes: the wake-up that follows does it.
        let unhurried = !matches!(input, Input::Phone(_));
        match input {
            Input::Phone(event) => self.phone(now, event),
            Input::Network(event) => self.network(now, event),
            Input::Exchange(news) => self.exchange(now, news),
            Input::Command(id, command) => self.command(now, id, command),
            Input::Done(job, Done::Signed(sealed)) => self.signed(now, job, sealed),
            Input::Done(job, Done::Verified(holds)) => self.verified(now, job, holds),
            Input::Done(job, Done::VerifiedAll(holds)) => self.verified_all(now, job, &holds),
            Input::Done(job, Done::RecordSigned(signed)) => self.record_signed(now, job, signed),
            Input::Done(job, Done::TicketSigned(signed)) => self.ticket_signed(now, job, signed),
            Input::Done(job, Done::Tied(tie)) => self.tied(job, tie),
            Input::Done(job, Done::EntrySigned(signed)) => self.entry_signed(now, job, signed),
            Input::Done(job, Done::EpochOpened(key)) => self.epoch_opened(now, job, key),
            Input::Done(_, Done::Rewrapped(entrusted)) => self.rewrapped(now, entrusted.map(|entrusted| *entrusted)),
            Input::Done(job, Done::NextKey(key)) => self.next_key_made(job, key),
            Input::Done(job, Done::Edited(result)) => self.edited(job, result),
            Input::Done(job, Done::Agreed(agreed)) => self.agreed(now, job, *agreed),
            Input::Done(job, Done::LetterSealed(sealed)) => self.letter_sealed(now, job, sealed),
            Input::Done(job, Done::LetterOpened(opened)) => self.letter_opened(now, job, opened),
            Input::Loaded(id, loaded) => self.facts_loaded(now, id, loaded),
            Input::Done(_, Done::HeadSigned(signed)) => self.head_signed(now, signed),
            Input::Damaged(what) => self.raise(now, Alarm::StoreDamaged(what)),
            // The engine's own business: it tells what concerns the node by `saving`.
            Input::Committed(..) | Input::Wake => {}
        }
        self.look_at_clock(now);
        if unhurried {
            self.walk_if_due(now);
            self.tick(now);
            self.tell_day(now);
            self.beat(now);
            self.end_invites(now);
            self.mind_joins(now);
            self.end_meetings(now);
            self.mind_household(now);
            self.mind_enrolling(now);
            self.mind_facts(now);
            self.mind_agreement(now);
            if self.graph.due_ms().is_some_and(|due| due <= now.mono_ms) {
                self.rank();
            }
            if self.ranges.due_ms().is_some_and(|due| due <= now.mono_ms) {
                self.find_ranges(now);
            }
            if self.mail.due_ms().is_some_and(|due| due <= now.mono_ms) {
                self.mail_changed(now);
            }
        }
    }

    /// The next thing to do outside, if any.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// When the node wants to be woken, in milliseconds of the monotonic clock.
    #[must_use]
    pub fn next_wakeup(&self) -> Option<u64> {
        let talk = [self.invites.due_ms(), self.joins.due_ms(), self.meetings.due_ms(), self.mail.due_ms()];
        let home = [self.household.due_ms(), self.enrolling.due_ms(), self.facts.due_ms(), self.agreement.due_ms()];
        let own = [self.graph.due_ms(), self.ranges.due_ms(), self.presence.due_ms(), Some(self.hourly_at_ms)];
        talk.into_iter().chain(home).chain(own).flatten().min()
    }

    /// How things are.
    #[must_use]
    pub fn snapshot(&mut self, now: Now) -> Snapshot {
        if self.neighbours.is_none() {
            self.neighbours = Some(self.list_neighbours());
        }
        Snapshot {
            home: self.home(),
            card: Card(self.identity.genesis),
            node: self.identity.node,
            clock_set: now.wall.is_some(),
            settings: self.settings.clone(),
            pinned: self.pinned.clone(),
            lists: Arc::clone(&self.lists),
            household: self.household_state(),
            enrolment: self.enrolment(),
            facts: self.facts_state(now),
            releases: self.releases_state(),
            shared: self.shared.clone(),
            neighbours: self.neighbours.clone().unwrap_or_default(),
            imports: Arc::clone(&self.imports),
            vouches_left: MAX_VOUCHES.saturating_sub(self.reach.own().len() + self.invites.held_back(now)),
            contacts: self.list_contacts(),
            invites: self.invites.list(now),
            joins: self.joins.list(),
            meetings: self.meetings.list(),
            peers: self.mesh.peers.values().cloned().collect(),
            listening: self.mesh.listening.clone(),
            public: self.mesh.public,
            exchanges: self.mesh.exchanges.clone(),
            lines: self.calls.lines(),
            alarms: self.alarms.standing(),
            ringing: self.calls.ringing(),
            statements: self.evidence.len(),
            numbers: self.evidence.numbers(),
            waiting: self.speaker.waiting(),
            threads: self.mail.threads(),
            counts: self.counts,
            quiet: self.quiet_state(now),
        }
    }

    /// This home's name.
    #[must_use]
    pub fn home(&self) -> HomeId {
        self.evidence.name(self.own)
    }

    /// What the disk says about saving: `None` if all is well.
    pub(crate) fn saving(&mut self, now: Now, trouble: Option<String>) {
        match trouble {
            Some(why) => self.raise(now, Alarm::NotSaving(why)),
            None => self.clear(&Alarm::NotSaving(String::new())),
        }
    }

    /// Writes were given up because memory is bounded.
    pub(crate) fn writes_lost(&mut self, now: Now) {
        self.raise(now, Alarm::WritesLost);
        self.facts_writes_lost();
    }

    /// How a call from this caller is decided now.
    pub(crate) fn decide(&self, now: Now, caller: &Caller, verstat: Option<Verstat>) -> Decision {
        let own = screening::Own { lists: &self.lists, people: &self.shared.people, settings: &self.settings };
        screening::decide(caller, verstat, &own, |number| {
            let tally = Tally::of(&self.evidence.reports(number), self.view(now));
            (tally, self.published(now, number))
        })
    }

    /// From where words on a number are weighed.
    pub(crate) fn view(&self, now: Now) -> View<'_> {
        View { graph: self.graph.graph(), own: self.own, today: self.calendar.day(now) }
    }

    /// Ranks the homes that vouches lead to, if that has changed.
    pub(crate) fn rank(&mut self) {
        self.graph.refresh(&self.evidence, self.own);
    }

    /// Finds out which blocks of numbers are hot. While the clock is not set none is.
    pub(crate) fn find_ranges(&mut self, now: Now) {
        self.ranges.refresh(&self.evidence, self.graph.graph(), now.day().unwrap_or(Day(0)));
    }

    pub(crate) fn use_settings(&mut self, settings: Settings) {
        if let Ok(region) = settings.region.parse() {
            self.region = region;
        }
        self.settings = settings;
    }

    pub(crate) fn put(&mut self, output: Output) {
        // Whom we trust, exchanges serve first.
        if let Output::Order(mesh::Order::Trust { peer, score }) = &output {
            self.out.push_back(Output::Notice(Notice::Trusted(*peer, *score > 0)));
        }
        self.out.push_back(output);
    }

    pub(crate) fn start(&mut self, job: Job) -> JobId {
        let id = JobId(self.next_job);
        self.next_job += 1;
        self.put(Output::Job(id, job));
        id
    }

    /// The alarms that stand, with the Unix second since when.
    pub(crate) fn standing_alarms(&self) -> Vec<(Alarm, Option<i64>)> {
        self.alarms.standing()
    }

    /// How often an alarm came, changed its words or went.
    pub(crate) fn alarm_changes(&self) -> u64 {
        self.alarms.changes()
    }

    pub(crate) fn raise(&mut self, now: Now, alarm: Alarm) {
        let news = !self.alarms.has(&alarm);
        if self.alarms.raise(now, &alarm) {
            if news {
                self.log_alarm(now, &alarm);
            }
            self.put(Output::Event(Event::AlarmRaised(alarm)));
        }
    }

    /// Whether an alarm with the key of this one stands.
    pub(crate) fn stands(&self, like: &Alarm) -> bool {
        self.alarms.has(like)
    }

    pub(crate) fn clear(&mut self, like: &Alarm) {
        if let Some(alarm) = self.alarms.clear(like) {
            self.put(Output::Event(Event::AlarmCleared(alarm)));
        }
    }

    fn look_at_clock(&mut self, now: Now) {
        if now.wall.is_none() {
            self.raise(now, Alarm::ClockNotSet);
        } else {
            self.clear(&Alarm::ClockNotSet);
            self.say_waiting(now);
        }
    }

    fn tick(&mut self, now: Now) {
        if now.mono_ms < self.hourly_at_ms {
            return;
        }
        self.hourly_at_ms = now.mono_ms + HOUR_MS;
        self.look_for_peers(now);
        self.ranges.outdated(now);
        if self.calendar.day(now).is_none() {
            self.recall_day(now);
        }
        self.renew_vouches(now);
        self.mind_delegates(now);
        self.expire_mail(now);
        for alarm in self.alarms.over(now) {
            self.clear(&alarm);
        }
        let Some(day) = self.calendar.day(now) else { return };
        self.expire_facts(day);
        self.held.expire(day);
        let gone = self.evidence.expire(day);
        if !gone.is_empty() {
            self.walk(now);
        }
        self.log_times(now, "statements.expire", gone.len());
        gone.into_iter().for_each(|id| self.drop_statement(id));
        self.drop_given_up();
        self.follow_voices(now);
    }
}

/// The region before a person has chosen one. The default of the settings is a country, and its test says so.
fn fallback_region() -> Region {
    Settings::default().region.parse().expect("the default region is a country")
}
