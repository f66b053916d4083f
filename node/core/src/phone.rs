//! The telephone's part of the node: calls that ring now, and what is written about them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use meerkat_protocols::{
    batch::Write,
    facts::{Call, CallEnd, Seq, Verdict},
    number::{Caller, E164, classify},
    phone::{Act, Answer, CallId, Ending, Event as PhoneEvent, Incoming, Line, LineState},
    text,
    time::Now,
};

use crate::{
    alarms::Alarm,
    event::Event,
    node::Node,
    output::{Output, Promise, Urgency},
};

/// The most calls followed at once; of a call that was pushed out by later ones the end is not logged.
const MAX_RINGING: usize = 4_096;
/// How many numbers that rang are remembered, so that a report can say on what it rests.
const MAX_RECEIVED: usize = 10_000;
/// How long a logged call waits for others to share its commit with: the page shows it at once all the same.
const LOG_WITHIN: Urgency = Urgency::Within(1_000);
/// The most further facts of a gateway that are kept with a call, and their length.
const MAX_METADATA: usize = 8;

struct Ringing {
    call: Arc<Call>,
    failed_open: bool,
}

/// The calls that ring now.
#[derive(Default)]
pub(crate) struct Calls {
    ringing: BTreeMap<CallId, Ringing>,
    next: Seq,
    received: BTreeSet<E164>,
    lines: BTreeMap<Line, LineState>,
}

impl Calls {
    pub(crate) fn starting_at(next: Seq) -> Self {
        Self { next, ..Self::default() }
    }

    pub(crate) fn ringing(&self) -> Vec<Arc<Call>> {
        self.ringing.values().map(|r| Arc::clone(&r.call)).collect()
    }

    pub(crate) fn lines(&self) -> Vec<(Line, LineState)> {
        self.lines.iter().map(|(line, state)| (line.clone(), state.clone())).collect()
    }

    /// Whether a call from this number rang here since the process started.
    pub(crate) fn received(&self, number: E164) -> bool {
        self.received.contains(&number)
    }

    /// Forgets that it rang.
    pub(crate) fn forget(&mut self, number: E164) {
        self.received.remove(&number);
    }

    fn take_seq(&mut self) -> Seq {
        let seq = self.next;
        self.next = Seq(seq.0 + 1);
        seq
    }
}

impl Node {
    /// Takes in what a telephone gateway reports.
    pub(crate) fn phone(&mut self, now: Now, event: PhoneEvent) {
        match event {
            PhoneEvent::Incoming(incoming) => self.incoming(now, incoming),
            PhoneEvent::Ended { call, how } => self.ended(now, call, how),
            PhoneEvent::FailedOpen { call } => {
                self.counts.failed_open += 1;
                if let Some(ringing) = self.calls.ringing.get_mut(&call) {
                    ringing.failed_open = true;
                }
                self.raise(now, Alarm::FailedOpen);
            }
            PhoneEvent::Line { line, state } => self.line(now, line, state),
        }
    }

    fn incoming(&mut self, now: Now, incoming: Incoming) {
        let caller = if incoming.anonymous { Caller::Anonymous } else { classify(&incoming.caller, self.region) };
        let decision = self.decide(now, &caller, incoming.verstat);
        let decision = self.keep_quiet(now, &caller, decision);
        let answer = match decision.verdict {
            Verdict::Allow | Verdict::Challenge => Answer::Pass,
            Verdict::Block => Answer::Block(decision.by),
        };
        // First the answer, then everything else: nobody waits for a log.
        self.put(Output::Answer(Act { call: incoming.call, answer }));
        self.counts.calls += 1;
        let number = match caller {
            Caller::Number(number) => Some(number),
            Caller::Special(_) | Caller::Internal(_) | Caller::Anonymous | Caller::Invalid(_) => None,
        };
        if let Some(number) = number.filter(|_| answer == Answer::Pass && self.calls.received.len() < MAX_RECEIVED) {
            self.calls.received.insert(number);
        }
        let call = Call {
            seq: self.calls.take_seq(),
            node: self.identity.node,
            line: incoming.line,
            number,
            shown: text::inert(&incoming.caller),
            name: text::inert(&incoming.name),
            verdict: decision.verdict,
            reasons: decision.reasons,
            risk: decision.risk,
            began: now.wall,
            began_mono_ms: now.mono_ms,
            verstat: incoming.verstat,
            place: self.identity.place,
            metadata: tidy(&incoming.metadata),
        };
        self.log(incoming.call, call);
    }

    fn log(&mut self, id: CallId, call: Call) {
        let seq = call.seq;
        self.put(Output::Event(Event::CallScreened(Box::new(call.clone()))));
        self.calls.ringing.insert(id, Ringing { call: Arc::new(call.clone()), failed_open: false });
        if self.calls.ringing.len() > MAX_RINGING {
            self.calls.ringing.pop_first();
        }
        self.put(Output::Write(Write::Call(Box::new(call)), LOG_WITHIN));
        self.put(Output::AfterCommit(Promise::Event(Event::CallSaved(seq))));
        self.facts_changed();
    }

    fn ended(&mut self, now: Now, call: CallId, how: Ending) {
        let Some(Ringing { call, failed_open }) = self.calls.ringing.remove(&call) else { return };
        let how = match how {
            // A phone that rang was taken or not: that it rang without a verdict is what the log has to say.
            Ending::SteppedAside | Ending::Cancelled if failed_open => Ending::RangUndecided,
            how => how,
        };
        let duration_ms = now.mono_ms.saturating_sub(call.began_mono_ms);
        let end = CallEnd { seq: call.seq, how, duration_ms };
        self.put(Output::Event(Event::CallEnded(end)));
        self.put(Output::Write(Write::CallEnd(end), LOG_WITHIN));
        self.facts_changed();
    }

    fn line(&mut self, now: Now, line: Line, state: LineState) {
        match &state {
            LineState::Failing(why) => self.raise(now, Alarm::LineFailing(line.clone(), why.clone())),
            LineState::Registering => {}
            LineState::Ready => self.clear(&Alarm::LineFailing(line.clone(), String::new())),
        }
        if self.calls.lines.insert(line.clone(), state.clone()).as_ref() != Some(&state) {
            self.put(Output::Event(Event::LineChanged(line, state)));
        }
    }
}

fn tidy(metadata: &[(String, String)]) -> Vec<(String, String)> {
    metadata.iter().take(MAX_METADATA).map(|(k, v)| (text::inert(k), text::inert(v))).collect()
}
