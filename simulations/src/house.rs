//! One home: the shipped engine and its exchanges, with what the daemon has around them.

use std::collections::{BTreeMap, BTreeSet};

use ed25519_dalek::VerifyingKey;
use meerkat_core::{
    Command, CommandId, Deed, Done, Engine, ExchangeInput, ExchangeNews, ExchangeOutput, Exchanges, Identity, Input,
    Job, Reply,
};
use meerkat_protocols::{
    batch::Batch,
    contact::{About, Tie},
    mesh::{self, ExchangeOrder, ExchangeRef, MessageRef, Validation},
    number::E164,
    statement::{Category, Sealed, StatementId},
    time::Now,
};

use crate::{
    dice::Dice,
    disk::Disk,
    streets::{Keys, TODAY},
};

/// What work takes on a small machine, in microseconds; the daemon does it on threads of its own.
const SIGN_US: u64 = 150;
const VERIFY_US: u64 = 250;
const VERIFY_EACH_US: u64 = 80;

/// What a home wants of the world.
pub(crate) enum Want {
    /// A job will be done after so long.
    Done(u64, Box<Input>),
    /// The disk has a batch.
    Commit,
    /// To all that gossip reaches.
    Publish(Sealed),
    /// A message that came is good: it goes on.
    PassOn(MessageRef),
    /// About an exchange with a peer.
    Exchange(ExchangeOrder),
    /// Words to one peer and back.
    Direct(mesh::Order),
    /// A report of a person is saved.
    Reported(E164),
}

/// A home of the world.
pub(crate) struct House {
    pub(crate) keys: Keys,
    pub(crate) disk: Disk,
    pub(crate) run: Option<Run>,
    /// By how many seconds its wall clock is wrong; `None`: it is not set.
    pub(crate) wrong_s: Option<i64>,
    pub(crate) starts: u64,
    /// Reports that its people were told are saved.
    pub(crate) acknowledged: BTreeSet<E164>,
    chance: Dice,
}

/// A process on it.
pub(crate) struct Run {
    pub(crate) engine: Engine,
    pub(crate) exchanges: Exchanges,
    pub(crate) began_us: u64,
    pub(crate) writing: Option<Batch>,
    /// By our name of an exchange: with whom, and by which name there.
    pub(crate) open: BTreeMap<ExchangeRef, (usize, ExchangeRef)>,
    /// Gossip that waits for the node's word.
    pub(crate) judged: BTreeMap<MessageRef, (usize, Sealed)>,
    /// When the world comes back, in microseconds.
    pub(crate) wake_us: Option<u64>,
    commands: u64,
}

impl House {
    pub(crate) fn new(keys: Keys, chance: Dice, vouches: &[Sealed]) -> Self {
        let mut disk = Disk::default();
        disk.statements = vouches.iter().map(|sealed| (sealed.id(), sealed.clone())).collect();
        Self { keys, disk, run: None, wrong_s: Some(0), starts: 0, acknowledged: BTreeSet::new(), chance }
    }

    /// What its clocks say.
    pub(crate) fn now(&self, now_us: u64) -> Now {
        let began_us = self.run.as_ref().map_or(now_us, |run| run.began_us);
        let seconds = i64::try_from(now_us / 1_000_000).unwrap_or(i64::MAX);
        let mono_ms = now_us.saturating_sub(began_us) / 1_000;
        match self.wrong_s {
            Some(wrong) => Now::new(mono_ms, TODAY.begins() + 43_200 + seconds + wrong),
            None => Now { mono_ms, wall: None },
        }
    }

    /// Starts a process on what is on disk.
    pub(crate) fn start(&mut self, now_us: u64) {
        self.starts += 1;
        let about = About { peer: self.keys.peer, ..About::default() };
        let identity = Identity::alone(self.keys.genesis, about);
        let mut engine = Engine::new(identity, self.disk.restored(self.chance.bytes(), self.starts));
        let mut exchanges = Exchanges::new(self.chance.throw());
        for notice in self.disk.statements.values().filter_map(|sealed| engine.restore(sealed)) {
            exchanges.handle(0, ExchangeInput::Notice(notice));
        }
        self.run = Some(Run {
            engine,
            exchanges,
            began_us: now_us,
            writing: None,
            open: BTreeMap::new(),
            judged: BTreeMap::new(),
            wake_us: None,
            commands: 0,
        });
        let now = self.now(now_us);
        if let Some(run) = &mut self.run {
            run.engine.restored(now);
        }
    }

    /// Ends the process. If the power fails, what the disk was writing is there or not.
    pub(crate) fn stop(&mut self, power_cut: bool) {
        let Some(run) = self.run.take() else { return };
        if let Some(batch) = run.writing
            && (!power_cut || self.chance.happens(0.5))
        {
            self.disk.write(&batch);
        }
    }

    pub(crate) fn input(&mut self, now_us: u64, input: Input) {
        let now = self.now(now_us);
        if let Some(run) = &mut self.run {
            run.engine.handle(now, input);
        }
    }

    pub(crate) fn exchange(&mut self, now_us: u64, input: ExchangeInput) {
        let mono_ms = self.now(now_us).mono_ms;
        if let Some(run) = &mut self.run {
            run.exchanges.handle(mono_ms, input);
        }
    }

    /// A person reports a number.
    pub(crate) fn report(&mut self, now_us: u64, number: E164) {
        let Some(run) = &mut self.run else { return };
        let id = CommandId(run.commands);
        run.commands += 1;
        let command = Command::Report { number: number.reveal(), category: Category::Scam };
        self.input(now_us, Input::Command(id, command));
    }

    /// The batch that the disk had is on it.
    pub(crate) fn written(&mut self, now_us: u64) {
        let Some(batch) = self.run.as_mut().and_then(|run| run.writing.take()) else { return };
        self.disk.write(&batch);
        self.input(now_us, Input::Committed(batch.id, Ok(())));
    }

    /// Does what is due by the clock.
    pub(crate) fn wake(&mut self, now_us: u64) {
        let now = self.now(now_us);
        let Some(run) = &mut self.run else { return };
        if run.engine.next_wakeup().is_some_and(|at| at <= now.mono_ms) {
            run.engine.handle(now, Input::Wake);
        }
        if run.exchanges.next_wakeup().is_some_and(|at| at <= now.mono_ms) {
            run.exchanges.handle(now.mono_ms, ExchangeInput::Wake);
        }
    }

    /// When it wants to be woken, in microseconds.
    pub(crate) fn due_us(&self) -> Option<u64> {
        let run = self.run.as_ref()?;
        let due = [run.engine.next_wakeup(), run.exchanges.next_wakeup()].into_iter().flatten().min()?;
        Some(run.began_us + due * 1_000)
    }

    /// Everything that came out, as what the world has to do about it.
    pub(crate) fn drain(&mut self, now_us: u64) -> Vec<Want> {
        let mut wants = Vec::new();
        loop {
            let deed = self.run.as_mut().and_then(|run| run.engine.poll_output());
            if let Some(deed) = deed {
                self.carry_out(now_us, deed, &mut wants);
                continue;
            }
            let output = self.run.as_mut().and_then(|run| run.exchanges.poll_output());
            match output {
                Some(ExchangeOutput::Order(order)) => wants.push(Want::Exchange(order)),
                Some(ExchangeOutput::Load(exchange, ids)) => self.load(now_us, exchange, &ids),
                Some(ExchangeOutput::News(news)) => self.news(now_us, news),
                None => return wants,
            }
        }
    }

    fn load(&mut self, now_us: u64, exchange: ExchangeRef, ids: &[StatementId]) {
        let body = |id: &StatementId| self.disk.statements.get(id).map(|sealed| sealed.0.to_vec()).unwrap_or_default();
        let bodies = ids.iter().map(body).collect();
        self.exchange(now_us, ExchangeInput::Loaded(exchange, bodies));
    }

    fn news(&mut self, now_us: u64, news: ExchangeNews) {
        self.input(now_us, Input::Exchange(news));
    }

    fn carry_out(&mut self, now_us: u64, deed: Deed, wants: &mut Vec<Want>) {
        match deed {
            Deed::Order(mesh::Order::Publish { data, .. }) => wants.push(Want::Publish(Sealed(data.into()))),
            Deed::Order(mesh::Order::Judge { message, validation: Validation::Accept }) => {
                wants.push(Want::PassOn(message));
            }
            Deed::Order(mesh::Order::Judge { message, .. }) => {
                if let Some(run) = &mut self.run {
                    run.judged.remove(&message);
                }
            }
            Deed::Order(order @ (mesh::Order::Request { .. } | mesh::Order::Respond { .. })) => {
                wants.push(Want::Direct(order));
            }
            Deed::Notice(notice) => self.exchange(now_us, ExchangeInput::Notice(notice)),
            Deed::Commit(batch) => {
                if let Some(run) = &mut self.run {
                    run.writing = Some(batch);
                }
                wants.push(Want::Commit);
            }
            Deed::Job(id, job) => {
                if let Some((after_us, done)) = self.work(job) {
                    wants.push(Want::Done(after_us, Box::new(Input::Done(id, done))));
                }
            }
            Deed::Reply(_, Ok(Reply::Reported { number, .. })) => wants.push(Want::Reported(number)),
            // Answers to phones and people that these worlds do not play, topics, addresses, scores.
            // Nor has a home more than one node here: none is enrolled, and none asks for facts.
            Deed::Answer(_) | Deed::Order(_) | Deed::Reply(..) | Deed::Event(_) | Deed::Load(..) | Deed::Become(_) => {}
        }
    }

    /// Does a job as the daemon's workers do, and says how long they would take.
    fn work(&mut self, job: Job) -> Option<(u64, Done)> {
        Some(match job {
            Job::Sign(statement) => (SIGN_US, Done::Signed(statement.sign(&self.keys.statement))),
            Job::SignRecord(record) => (SIGN_US, Done::RecordSigned(record.sign(&self.keys.statement))),
            Job::SignTicket(ticket) => (SIGN_US, Done::TicketSigned(ticket.sign(&self.keys.statement))),
            Job::Tie { own, other, key } => {
                (SIGN_US, Done::Tied(Tie::between(&self.keys.statement, own, (other, &key))))
            }
            Job::Verify(sealed, key) => (VERIFY_US, Done::Verified(holds(&sealed, &key))),
            Job::VerifyAll(all) => {
                let holds = all.iter().map(|(sealed, key)| holds(sealed, key)).collect();
                (VERIFY_EACH_US * all.len() as u64, Done::VerifiedAll(holds))
            }
            _ => return None,
        })
    }
}

fn holds(sealed: &Sealed, key: &[u8; 32]) -> bool {
    VerifyingKey::from_bytes(key).is_ok_and(|key| sealed.verify(&key))
}
