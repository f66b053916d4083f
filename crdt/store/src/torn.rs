//! A disk whose power goes.
