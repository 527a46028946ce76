//! Sets of 32-bit values as masked values: the only test that libseccomp has for half an argument.

/// The values whose bits under `mask` are those of `value`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) mask: u32,
    pub(crate) value: u32,
}

/// One block per value.
pub(crate) fn of(mask: u32, values: &[u32]) -> Vec<Block> {
    values.iter().map(|value| Block { mask, value: *value }).collect()
}

/// The blocks of all values but these: for each, the values that agree with it down to some bit and differ there.
pub(crate) fn of_all_but(mask: u32, values: &[u32]) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut prefix = 0;
    for bit in (0..32).rev().map(|shift| 1_u32 << shift).filter(|bit| mask & bit != 0) {
        let longer = prefix | bit;
        for value in values {
            let block = Block { mask: longer, value: (value ^ bit) & longer };
            let is_taken = values.iter().any(|other| other & longer == block.value);
            if !is_taken && !blocks.contains(&block) {
                blocks.push(block);
            }
        }
        prefix = longer;
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(blocks: &[Block], value: u32) -> bool {
        blocks.iter().filter(|block| value & block.mask == block.value).count() == 1
    }

    #[test]
    fn all_but_some_is_everything_else_once() {
        let values = [0x5412, 0x541C];
        let blocks = of_all_but(u32::MAX, &values);
        assert!(!values.iter().any(|value| has(&blocks, *value)));
        for other in (0..0x1_0000).chain([u32::MAX, 0x8000_5412, 0x1541C]).filter(|v| !values.contains(v)) {
            assert!(has(&blocks, other), "{other:#x}");
        }
    }

    #[test]
    fn bits_outside_the_mask_do_not_count() {
        let blocks = of_all_but(0xF, &[3]);
        assert_eq!(blocks.len(), 4);
        assert!(!has(&blocks, 0x13) && has(&blocks, 0x14));
        assert_eq!(of(0xF, &[1, 2]).len(), 2);
    }
}
