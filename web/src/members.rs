//! The members of the household, as the page shows them.

use meerkat_core::{MemberState, Shared};
use meerkat_protocols::memberword::MemberAlarm;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{shared::SeenView, words::peer_id};

/// A node of this home.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct HouseholdMember {
    number: u8,
    name: String,
    /// `admin` or `member`: whether it may add and remove others.
    role: String,
    peer: String,
    /// When it was added, in Unix seconds; null if the clock was not set.
    since: Option<i64>,
    /// Whether it is this node.
    own: bool,
    /// Whether it is connected.
    online: bool,
    /// Whether it is connected and knows the same members.
    in_step: bool,
    /// Whether two copies of its data folder run.
    copied: bool,
    /// Whether it was removed.
    removed: bool,
    /// Whether it left by its own word.
    left: bool,
    /// What kind of machine it is, in the words of its maker; empty until it was heard.
    machine: String,
    /// The version of its program; empty until it was heard.
    version: String,
    /// When it was last heard since this node's start, in Unix seconds; null for this node.
    last_seen: Option<i64>,
    /// What needs attention there.
    alarms: Vec<MemberAlarmView>,
}

/// Something on a member that needs a person's attention.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct MemberAlarmView {
    code: String,
    /// What is wrong, what it means and what to do.
    words: String,
    /// Unix seconds; null if the clock there was not set.
    since: Option<i64>,
    /// What to name it by when somebody has seen it.
    key: String,
    /// Who of the household has seen it; null if nobody.
    seen: Option<SeenView>,
}

fn view_alarm(shared: &Shared, alarm: &MemberAlarm) -> MemberAlarmView {
    let seen = shared.acknowledged.get(&alarm.key).filter(|seen| alarm.since.is_none_or(|since| seen.at >= since));
    MemberAlarmView {
        code: alarm.code.clone(),
        words: alarm.words.clone(),
        since: alarm.since,
        key: alarm.key.clone(),
        seen: seen.map(|seen| SeenView { by: seen.by.clone(), at: seen.at }),
    }
}

/// A member, as the page shows it.
pub(crate) fn view_member(shared: &Shared, member: &MemberState) -> HouseholdMember {
    HouseholdMember {
        left: member.left,
        machine: member.word.machine.clone(),
        version: member.word.version.clone(),
        last_seen: member.seen.filter(|_| !member.own),
        alarms: member.word.alarms.iter().map(|alarm| view_alarm(shared, alarm)).collect(),
        number: member.number.0,
        name: member.name.clone(),
        role: member.role.word().to_owned(),
        peer: peer_id(member.peer),
        since: member.since,
        own: member.own,
        online: member.online || member.own,
        in_step: member.in_step || member.own,
        copied: member.twin,
        removed: member.removed,
    }
}
