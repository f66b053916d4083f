//! Delegations: a node of a home that others know names a further one, its key and its part of the home's slots. From the
//! key that made the home a chain of them leads to each node that speaks for it.

use std::collections::BTreeSet;

use ed25519_dalek::VerifyingKey;
use serde::{Deserialize, Serialize};

use crate::{
    cbor,
    home::{Genesis, NodeNumber},
    roster::Share,
    statement::{Body, Kind, Read, Sealed},
};

/// The most delegations from a home's first key to a node's: who adds members adds most of them itself, and each further
/// one is another signature to check.
pub const MAX_DEPTH: usize = 4;

/// A home's word on one of its further nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Delegation {
    /// Its number; never that of the first node, for whom the home's name speaks.
    pub node: NodeNumber,
    /// The public half of the key with which it signs.
    pub key: [u8; 32],
    /// In which slots it speaks.
    pub share: Share,
}

#[derive(Serialize, Deserialize)]
struct Wire(NodeNumber, #[serde(with = "serde_bytes")] [u8; 32], u16, u16);

impl Delegation {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let Share { from, to } = self.share;
        cbor::encode(&Wire(self.node, self.key, from, to))
    }

    /// `None` if it is another encoding; within, whether an honest node can have written it.
    pub(crate) fn decode(body: &[u8]) -> Option<Option<Self>> {
        let Wire(node, key, from, to) = cbor::decode_strict(body).ok()?;
        let delegation = Self { node, key, share: Share { from, to } };
        let in_range = node != NodeNumber(0) && from <= to && to <= Share::UNITS && delegation.verifying().is_some();
        Some(in_range.then_some(delegation))
    }

    /// The key, if it can verify anything.
    #[must_use]
    pub fn verifying(&self) -> Option<VerifyingKey> {
        VerifyingKey::from_bytes(&self.key).ok().filter(|key| !key.is_weak())
    }
}

/// The delegations that lead from a home's first key to one node's, in this order; none for the first node itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Chain(pub Vec<Sealed>);

impl Chain {
    /// The key of a node of the home that this record made, if each delegation is signed by the node before and gives no
    /// more than that has.
    #[must_use]
    pub fn key(&self, genesis: &Genesis, node: NodeNumber) -> Option<VerifyingKey> {
        let (mut at, mut key, mut share) = (NodeNumber(0), genesis.key()?, Share::WHOLE);
        let mut seen = BTreeSet::from([at]);
        if self.0.len() > MAX_DEPTH {
            return None;
        }
        for sealed in &self.0 {
            let Ok(Read::Statement(said)) = sealed.read() else { return None };
            let Body::Delegation(next) = said.body else { return None };
            let its_own = said.home == genesis.home() && said.node == at;
            let may = share.slots(Kind::Delegation).contains(&said.slot) && share.holds(next.share);
            if !its_own || !may || !seen.insert(next.node) || !sealed.verify(&key) {
                return None;
            }
            (at, key, share) = (next.node, next.verifying()?, next.share);
        }
        (at == node).then_some(key)
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;
    use proptest::prelude::*;

    use super::*;
    use crate::{
        statement::{Malformed, Statement},
        time::Day,
    };

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    fn genesis() -> Genesis {
        Genesis::new(&key(1).verifying_key())
    }

    /// Node `by` names node `node`, whose key is that of the same seed plus one.
    fn said(by: u8, node: u8, share: (u16, u16), slot: u8) -> Statement {
        let (from, to) = share;
        let key = key(node + 1).verifying_key().to_bytes();
        let body = Body::Delegation(Delegation { node: NodeNumber(node), key, share: Share { from, to } });
        Statement { home: genesis().home(), node: NodeNumber(by), day: Day(20_778), slot, body }
    }

    fn sealed(by: u8, node: u8, share: (u16, u16), slot: u8) -> Sealed {
        said(by, node, share, slot).sign(&key(by + 1))
    }

    fn found(chain: &[Sealed], node: u8) -> Option<[u8; 32]> {
        Chain(chain.to_vec()).key(&genesis(), NodeNumber(node)).map(|key| key.to_bytes())
    }

    #[test]
    fn a_delegation_reads_back_and_is_small() {
        let one = said(0, 7, (768, 1_024), 3);
        let sealed = one.sign(&key(1));
        assert_eq!(sealed.read(), Ok(Read::Statement(one)));
        assert_eq!(sealed.0.len(), 133);
        let largest = said(255, 254, (1_023, 1_024), 15);
        let largest = Statement { day: Day(u16::MAX), ..largest };
        assert!(largest.sign(&key(1)).0.len() <= 140);
    }

    #[test]
    fn a_chain_leads_to_the_key_of_its_last_node() {
        let chain = [sealed(0, 1, (512, 1_024), 0), sealed(1, 2, (768, 1_024), 8), sealed(2, 3, (896, 1_024), 13)];
        for n in 0..=3 {
            let expected = key(n + 1).verifying_key().to_bytes();
            assert_eq!(found(&chain[..usize::from(n)], n), Some(expected), "node {n}");
        }
        assert_eq!(found(&chain, 2), None, "it leads to another");
        assert_eq!(found(&chain[1..], 3), None, "its beginning is missing");
    }

    #[test]
    fn what_no_home_says_leads_nowhere() {
        let first = sealed(0, 1, (512, 1_024), 0);
        let forged = said(0, 1, (512, 1_024), 0).sign(&key(9));
        assert_eq!(found(&[forged], 1), None);
        assert_eq!(found(&[first.clone(), sealed(1, 2, (511, 1_024), 8)], 2), None, "more than its signer has");
        assert_eq!(found(&[first.clone(), sealed(1, 2, (768, 1_024), 7)], 2), None, "in a slot not its signer's");
        assert_eq!(found(&[first.clone(), sealed(1, 1, (512, 1_024), 8)], 1), None, "a circle");
        let other = Genesis::new(&key(2).verifying_key());
        assert_eq!(Chain(vec![first]).key(&other, NodeNumber(1)), None, "of another home");
        let deep: Vec<Sealed> = (0..5).map(|n| sealed(n, n + 1, (0, 1_024), n)).collect();
        assert!(found(&deep[..4], 4).is_some());
        assert_eq!(found(&deep, 5), None, "too deep");
    }

    #[test]
    fn a_field_out_of_its_range_is_refused() {
        let refused = |change: &dyn Fn(&mut Delegation)| {
            let mut wrong = said(0, 1, (0, 1_024), 0);
            let Body::Delegation(delegation) = &mut wrong.body else { unreachable!() };
            change(delegation);
            wrong.sign(&key(1)).read()
        };
        assert_eq!(refused(&|d| d.node = NodeNumber(0)), Err(Malformed::Range));
        assert_eq!(refused(&|d| d.share = Share { from: 3, to: 2 }), Err(Malformed::Range));
        assert_eq!(refused(&|d| d.share.to = 1_025), Err(Malformed::Range));
        assert_eq!(refused(&|d| d.key = [0; 32]), Err(Malformed::Range), "a key of small order");
        assert_eq!(Statement { slot: 16, ..said(0, 1, (0, 1), 0) }.sign(&key(1)).read(), Err(Malformed::Range));
    }

    proptest! {
        #[test]
        fn any_delegation_reads_back(by: u8, node in 1u8.., from in 0u16..=1_024, width in 0u16..=1_024, slot in 0u8..16, day: u16) {
            let to = (from + width).min(Share::UNITS);
            let mut one = said(by, 1, (from, to), slot);
            let Body::Delegation(delegation) = &mut one.body else { unreachable!() };
            delegation.node = NodeNumber(node);
            one.day = Day(day);
            let sealed = one.sign(&key(1));
            prop_assert_eq!(sealed.read(), Ok(Read::Statement(one)));
            prop_assert!(sealed.0.len() <= 200);
        }

        #[test]
        fn a_chain_with_a_changed_bit_leads_nowhere(which in 0usize..2, at in 0usize..133, bit in 0u8..8) {
            let mut chain = [sealed(0, 1, (512, 1_024), 0), sealed(1, 2, (768, 1_024), 8)];
            let at = at % chain[which].0.len();
            chain[which].0[at] ^= 1 << bit;
            prop_assert_eq!(found(&chain, 2), None);
        }
    }
}
