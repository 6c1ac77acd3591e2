//! Blocks of addresses with exceptions, as the resources of several languages have them.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::matrix::resource::Resource;

/// A block, and what of it is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The block.
    pub block: IpNet,
    /// The exceptions.
    pub except: Vec<IpNet>,
}

impl Block {
    /// As it is written; what is wrong with it is noted under `path`.
    pub(super) fn read(
        block: &str,
        except: Option<Vec<String>>,
        path: &str,
        resource: &mut Resource<'_>,
    ) -> Option<Self> {
        let block = net(block, &format!("{path}.cidr"), resource);
        let numbered = except.unwrap_or_default().into_iter().enumerate();
        let except: Vec<IpNet> = numbered
            .filter_map(|(index, text)| net(&text, &format!("{path}.except[{index}]"), resource))
            .collect();
        let block = block?;
        for stranger in except.iter().filter(|except| !block.contains(*except) || block == **except) {
            let message = format!("found the exception {stranger}, expected a part of {block}");
            resource.fault(&format!("{path}.except"), message);
        }
        Some(Self { block, except })
    }

    /// Whether it holds an address.
    #[must_use]
    pub fn holds(&self, address: IpAddr) -> bool {
        self.block.contains(&address) && !self.except.iter().any(|except| except.contains(&address))
    }
}

/// A block without exceptions.
impl From<IpNet> for Block {
    fn from(block: IpNet) -> Self {
        Self { block, except: Vec::new() }
    }
}

fn net(text: &str, path: &str, resource: &mut Resource<'_>) -> Option<IpNet> {
    let found = text.parse::<IpNet>().ok();
    if found.is_none() {
        resource.fault(path, format!("found `{text}`, expected a block such as 192.0.2.0/24"));
    }
    found
}
