//! Which member an actor belongs to.

use automerge::ActorId;
use meerkat_protocols::home::NodeNumber;

/// What an actor of a member begins with; the number and its complement follow.
const MARK: [u8; 2] = *b"mk";

/// An actor of a member, from chance that is fresh at this start; 96 bits of it stay.
#[must_use]
pub fn actor_of(member: NodeNumber, mut chance: [u8; 16]) -> [u8; 16] {
    chance[..2].copy_from_slice(&MARK);
    (chance[2], chance[3]) = (member.0, !member.0);
    chance
}

/// The member that an actor belongs to, as the actor says. Nothing proves it: it tells whom to suspect, no more.
pub(crate) fn owner(actor: &ActorId) -> Option<NodeNumber> {
    match actor.to_bytes() {
        [b'm', b'k', number, check, ..] if *check == !number => Some(NodeNumber(*number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_actor_says_whose_it_is() {
        for number in [0, 1, 255] {
            let actor = actor_of(NodeNumber(number), [9; 16]);
            assert_eq!(owner(&ActorId::from(actor)), Some(NodeNumber(number)));
        }
        assert_eq!(owner(&ActorId::from([9; 16])), None);
        assert_eq!(owner(&ActorId::from(*b"m")), None);
    }
}
