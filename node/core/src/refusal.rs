//! What refusals are called in every interface.

use crate::command::Refusal;

impl Refusal {
    /// The refusal's name in every interface.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotANumber(_) => "not_a_number",
            Self::NoSlotLeft(_) => "no_slot_left",
            Self::NotThisNode(_) => "not_this_node",
            Self::NotNamedYet => "not_named_yet",
            Self::NothingToRetract => "nothing_to_retract",
            Self::TooManyVouches(_) => "too_many_vouches",
            Self::AlreadyVouched => "already_vouched",
            Self::OwnCard => "own_card",
            Self::NotVouched => "not_vouched",
            Self::TooManyLetters(_) => "too_many_messages",
            Self::NoSuchLetter => "no_such_message",
            Self::LetterLeft => "message_left",
            Self::ListsFull => "lists_full",
            Self::Pinned(_) => "pinned",
            Self::Invalid(_) => "invalid",
            Self::NotSavedYet(_) => "not_saved_yet",
            Self::NameTaken => "name_taken",
            Self::ImportsFull(_) => "imports_full",
            Self::NoSuchImport => "no_such_import",
            Self::Busy => "busy",
            Self::VouchesHeldBack(_) => "vouches_held_back",
            Self::TooManyInvites(_) => "too_many_invites",
            Self::NoSuchInvite => "no_such_invite",
            Self::NotAnInvite(_) => "not_an_invite",
            Self::InviteExpired => "invite_expired",
            Self::OwnInvite => "own_invite",
            Self::NotReachable => "not_reachable",
            Self::NotNearby => "not_nearby",
            Self::NoSuchMeeting => "no_such_meeting",
            Self::NoMember | Self::NoMemberThere => "no_member",
            Self::Enrolment(why) => why.code(),
            Self::Account(why) => why.code(),
            Self::ClockNotSet => "clock_not_set",
        }
    }
}
