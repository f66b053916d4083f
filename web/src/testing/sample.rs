//! A call to look at.

use meerkat_protocols::{
    facts::{Call, Hundredths, Place, Reason, Seq, Verdict},
    home::NodeNumber,
    number::E164,
    phone::Line,
};

use super::{HOSTILE, WALL};

/// A call from somebody with a hostile name.
pub(crate) fn call(seq: u64, verdict: Verdict) -> Call {
    Call {
        seq: Seq(seq),
        node: NodeNumber(0),
        line: Line("home".into()),
        number: E164::from_digits(4_930_901_820 + seq % 7),
        shown: "030 901820".into(),
        name: HOSTILE.into(),
        verdict,
        reasons: vec![Reason::NothingKnown],
        risk: Hundredths(4_385),
        began: Some(WALL - 60),
        began_mono_ms: 0,
        verstat: None,
        place: Some(Place { latitude: 52.5, longitude: 13.4 }),
        metadata: vec![("user_agent".into(), HOSTILE.into())],
    }
}
