//! What the kernel tests and `cargo xtask accept` share: network namespaces, traffic generators and the recorder
//! under test.
//!
//! All traffic goes to loopback or between namespaces that the test made.

pub mod accept;
pub mod alike;
pub mod case;
pub mod dial;
pub mod documents;
pub mod enforcer;
pub mod exact;
pub mod folder;
pub mod generator;
pub mod golden;
pub mod group;
pub mod hot_paths;
pub mod kernel;
pub mod live;
pub mod made_up;
pub mod matching;
pub mod namespace;
pub mod needs;
pub mod nft;
pub mod nobody;
pub mod peer;
pub mod policies;
pub mod recorder;
pub mod results;
pub mod schemas;
pub mod site;
pub mod stack;
pub mod table;
pub mod unseen;
pub mod usage;
pub mod witness;
pub mod worlds;
