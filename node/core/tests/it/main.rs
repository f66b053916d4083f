//! The pure node and its engine as the world sees them: one binary, one world.

mod calls;
mod contacts;
mod convergence;
mod direct;
mod disk;
mod enrolling;
mod exchanges;
mod face_to_face;
mod hostile;
mod household;
mod imports;
mod lane;
mod load;
mod mail;
mod mail_loss;
mod meeting;
mod mesh;
mod peers;
mod privacy;
mod statements;
mod street;
mod time;
mod trust;
mod vouch_graph;
mod world;
