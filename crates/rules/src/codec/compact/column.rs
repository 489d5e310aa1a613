//! Columns: many whole numbers of one kind, as differences from the smallest. The unit is the coarsest one that fits
//! them all, and each number takes as many bytes as the largest needs. Any of them is found without reading the others,
//! many in a row cost a few instructions each, and a column that is not needed costs nothing.

use std::ops::Range;

use integer_encoding::VarInt;

use super::CompactError;
use crate::quantity::{Amount, MinorUnit};

/// Units of times (in milliseconds) and amounts (in ten-thousandths): cents, seconds, minutes, days … The position is
/// part of the format: add at the end only.
const UNITS: [i64; 9] = [1, 10, 100, 1_000, 10_000, 60_000, 1_000_000, 3_600_000, 86_400_000];

/// The bytes that are left to read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    #[inline]
    pub(super) fn byte(&mut self) -> Result<u8, CompactError> {
        let (first, rest) = self.0.split_first().ok_or(CompactError::Truncated)?;
        self.0 = rest;
        Ok(*first)
    }

    #[inline]
    pub(super) fn unsigned(&mut self) -> Result<u64, CompactError> {
        match self.0.split_first() {
            Some((small, rest)) if *small < 0x80 => {
                self.0 = rest;
                Ok(u64::from(*small))
            }
            _ => self.varint(),
        }
    }

    #[inline]
    pub(super) fn signed(&mut self) -> Result<i64, CompactError> {
        match self.0.split_first() {
            Some((0, rest)) => {
                self.0 = rest;
                Ok(0)
            }
            _ => self.varint(),
        }
    }

    fn varint<T: VarInt>(&mut self) -> Result<T, CompactError> {
        let (value, length) = T::decode_var(self.0).ok_or(CompactError::Truncated)?;
        self.0 = self.0.get(length..).ok_or(CompactError::Truncated)?;
        Ok(value)
    }

    pub(super) fn bytes(&mut self, count: usize) -> Result<&'a [u8], CompactError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(CompactError::Truncated)?;
        self.0 = rest;
        Ok(taken)
    }

    /// The number of items that follow. It cannot exceed the number of bytes left, because an item takes at least one.
    pub(super) fn count(&mut self) -> Result<usize, CompactError> {
        let count = usize::try_from(self.unsigned()?).unwrap_or(usize::MAX);
        if count > self.0.len() { Err(CompactError::Truncated) } else { Ok(count) }
    }

    /// Bytes preceded by their length.
    pub(super) fn block(&mut self) -> Result<&'a [u8], CompactError> {
        let count = self.count()?;
        self.bytes(count)
    }

    pub(super) fn text(&mut self) -> Result<&'a str, CompactError> {
        std::str::from_utf8(self.block()?).map_err(|_| CompactError::Corrupt("text"))
    }
}

/// The bytes written so far.
#[derive(Debug, Default)]
pub(super) struct Writer(pub(super) Vec<u8>);

impl Writer {
    pub(super) fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    pub(super) fn unsigned(&mut self, value: u64) {
        self.0.extend(value.encode_var_vec());
    }

    pub(super) fn signed(&mut self, value: i64) {
        self.0.extend(value.encode_var_vec());
    }

    pub(super) fn count(&mut self, count: usize) {
        self.unsigned(u64::try_from(count).unwrap_or(u64::MAX));
    }

    pub(super) fn text(&mut self, text: &str) {
        self.count(text.len());
        self.0.extend_from_slice(text.as_bytes());
    }

    /// Writes columns of one length after a mask of the columns that are not all zeros; the others take no room.
    pub(super) fn columns(&mut self, columns: &[Vec<i64>]) {
        let kept = |column: &Vec<i64>| column.iter().any(|value| *value != 0);
        let bit = |(position, column): (usize, &Vec<i64>)| u64::from(kept(column)) << position;
        self.unsigned(columns.iter().enumerate().map(bit).sum());
        for column in columns.iter().filter(|column| kept(column)) {
            self.column(column);
        }
    }

    /// Writes a column. The reader has to know the number of values.
    pub(super) fn column(&mut self, values: &[i64]) {
        let unit_at =
            |index: &usize| UNITS.get(*index).is_some_and(|unit| values.iter().all(|value| value % unit == 0));
        let index = (0..UNITS.len()).rev().find(unit_at).unwrap_or(0);
        let unit = UNITS.get(index).copied().unwrap_or(1);
        let base = values.iter().min().copied().unwrap_or(0) / unit;
        let offsets = values.iter().map(|value| (value / unit).wrapping_sub(base).cast_unsigned());
        let largest = offsets.clone().max().unwrap_or(0);
        let width = 8 - largest.leading_zeros() / 8;
        let width = u8::try_from(width).unwrap_or(8);
        self.byte(u8::try_from(index).unwrap_or(0) << 4 | width);
        self.signed(base);
        for offset in offsets {
            self.0.extend(offset.to_le_bytes().iter().take(usize::from(width)));
        }
    }
}

/// A column to read from.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Column<'a> {
    unit: i64,
    /// The value of an offset of 0.
    base: i64,
    /// The number of bytes per value; with 0, all values are the base.
    width: usize,
    bytes: &'a [u8],
}

impl<'a> Column<'a> {
    /// Reads the columns that [`Writer::columns`] wrote, all of them.
    pub(super) fn read_all<const N: usize>(
        reader: &mut Reader<'a>,
        count: usize,
        columns: [&mut Self; N],
    ) -> Result<(), CompactError> {
        if Self::read_some(reader, count, columns)? >> N == 0 { Ok(()) } else { Err(CompactError::Corrupt("columns")) }
    }

    /// Reads the first of the columns that [`Writer::columns`] wrote, and returns the mask of all of them.
    #[inline]
    pub(super) fn read_some<const N: usize>(
        reader: &mut Reader<'a>,
        count: usize,
        columns: [&mut Self; N],
    ) -> Result<u64, CompactError> {
        let kept = reader.unsigned()?;
        let mut left = kept;
        for column in columns {
            if left & 1 == 1 {
                *column = Self::read(reader, count)?;
            }
            left >>= 1;
        }
        Ok(kept)
    }

    pub(super) fn read(reader: &mut Reader<'a>, count: usize) -> Result<Self, CompactError> {
        let head = reader.byte()?;
        let unit = UNITS.get(usize::from(head >> 4)).copied().ok_or(CompactError::Corrupt("unit"))?;
        let width = usize::from(head & 15);
        if width > 8 {
            return Err(CompactError::Corrupt("width"));
        }
        let base = reader.signed()?.wrapping_mul(unit);
        let bytes = reader.bytes(count.checked_mul(width).ok_or(CompactError::Truncated)?)?;
        Ok(Self { unit, base, width, bytes })
    }

    /// Whether all values are certainly amounts that need no rounding to a currency's minor unit. The width bounds how
    /// far a value can be from the smallest.
    pub(super) fn has_whole_amounts(&self, minor: MinorUnit) -> bool {
        let reach = u32::try_from(self.width).ok().and_then(|width| 1_i64.checked_shl(8 * width)).unwrap_or(i64::MAX);
        let largest = self.base.saturating_add(reach.saturating_mul(self.unit)).cast_unsigned();
        let is_whole = u64::try_from(self.unit).is_ok_and(|unit| minor.is_whole(unit));
        is_whole && self.base >= 0 && Amount::from_ten_thousandths(largest).is_some()
    }

    /// The value at a position below the column's count. Corrupt bytes yield some number, not a failure.
    #[inline]
    pub(super) fn get(&self, position: usize) -> i64 {
        if self.width == 0 {
            return self.base;
        }
        let mut one = [0];
        self.read_from(position, &mut one);
        let [value] = one;
        value
    }

    /// The first position from `from` on at which the value, masked by `bits`, differs from `usual`.
    pub(super) fn find_other(&self, from: usize, bits: i64, usual: i64) -> Option<usize> {
        let is_other = |value: i64| value & bits != usual;
        match self.width {
            0 => is_other(self.base).then_some(from),
            1 => {
                let offsets = self.bytes.get(from..)?;
                let as_written = self.unit == 1 && self.base == 0 && usual == 0;
                let same = if as_written { zeros(offsets, bits) } else { 0 };
                let found = offsets.iter().skip(same).position(|offset| is_other(self.value(&[*offset])))?;
                Some(from + same + found)
            }
            width => (from..self.bytes.len() / width).find(|position| is_other(self.get(*position))),
        }
    }

    #[inline]
    fn value<const WIDTH: usize>(&self, offset: &[u8; WIDTH]) -> i64 {
        let mut bytes = [0; 8];
        if let Some(low) = bytes.first_chunk_mut() {
            *low = *offset;
        }
        self.base.wrapping_add(i64::from_le_bytes(bytes).wrapping_mul(self.unit))
    }

    /// Reads values from a position on, as many as fit; past the end of the column, the rest stays as it is.
    #[inline(never)] // one copy for all callers
    pub(super) fn read_from(&self, position: usize, values: &mut [i64]) {
        // Each width has a loop of its own, in which the compiler knows the width.
        match self.width {
            0 => values.fill(self.base),
            1 => self.read_wide::<1>(position, values),
            2 => self.read_wide::<2>(position, values),
            3 => self.read_wide::<3>(position, values),
            4 => self.read_wide::<4>(position, values),
            5 => self.read_wide::<5>(position, values),
            6 => self.read_wide::<6>(position, values),
            7 => self.read_wide::<7>(position, values),
            _ => self.read_wide::<8>(position, values),
        }
    }

    #[inline]
    fn read_wide<const WIDTH: usize>(&self, position: usize, values: &mut [i64]) {
        let (offsets, _) = self.bytes.as_chunks::<WIDTH>();
        for (value, offset) in values.iter_mut().zip(offsets.get(position..).unwrap_or_default()) {
            *value = self.value(offset);
        }
    }
}

/// The number of bytes at the start that certainly are 0 in all of `bits`; eight bytes are tested at once.
fn zeros(bytes: &[u8], bits: i64) -> usize {
    let [low, ..] = bits.to_le_bytes();
    let bits = u64::from_le_bytes([low; 8]);
    let (words, _) = bytes.as_chunks();
    8 * words.iter().take_while(|word| u64::from_le_bytes(**word) & bits == 0).count()
}

/// Rows of columns of one length, a block at a time: several times faster than value by value.
pub(super) struct Block<const N: usize>([[i64; BLOCK]; N]);

const BLOCK: usize = 16;

impl<const N: usize> Default for Block<N> {
    fn default() -> Self {
        Self([[0; BLOCK]; N])
    }
}

impl<const N: usize> Block<N> {
    /// Reads rows from the first position on, as many as fit.
    #[inline]
    pub(super) fn read(&mut self, columns: [&Column<'_>; N], positions: Range<usize>) -> [&mut [i64]; N] {
        let rows = positions.len().min(BLOCK);
        let mut read = self.0.each_mut().map(|values| values.get_mut(..rows).unwrap_or_default());
        for (column, values) in columns.iter().zip(&mut read) {
            column.read_from(positions.start, values);
        }
        read
    }
}

/// Passes on the rows of columns of one length, each with its position.
#[inline]
pub(super) fn each_row<const N: usize>(columns: [&Column<'_>; N], count: usize, mut take: impl FnMut(u32, [i64; N])) {
    let mut block = Block::default();
    for start in (0..count).step_by(BLOCK) {
        let rows = block.read(columns, start..count);
        let first = u32::try_from(start).unwrap_or(u32::MAX);
        for (row, position) in (0..BLOCK.min(count - start)).zip(first..) {
            take(position, rows.each_ref().map(|values| values.get(row).copied().unwrap_or(0)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_reads_as_it_was_written() {
        let columns: [&[i64]; 9] = [
            &[],
            &[0],
            &[-5, 7, 1_000_000_007],
            &[i64::MIN, 0, i64::MAX],
            &[1_291_191_960_000, 1_291_192_080_000, 1_323_434_400_000],
            &[1_250_000, 990_000, 0],
            &[86_400_000, -86_400_000],
            &[255, 256],
            &[7; 40],
        ];
        for values in columns {
            let mut writer = Writer::default();
            writer.column(values);
            for padding in [0, 8] {
                let bytes = [writer.0.as_slice(), &vec![0xff; padding]].concat();
                let column = Column::read(&mut Reader(&bytes), values.len()).unwrap();
                let mut read = vec![0; values.len()];
                column.read_from(0, &mut read);
                assert_eq!(read, values);
                let each: Vec<_> = (0..values.len()).map(|position| column.get(position)).collect();
                assert_eq!(each, values);
            }
        }
    }

    #[test]
    fn a_year_of_times_to_the_minute_takes_three_bytes_each() {
        let values: Vec<i64> = (0..100).map(|n| 1_291_191_960_000 + n * 60_000 * 5_000).collect();
        let mut writer = Writer::default();
        writer.column(&values);
        assert_eq!(writer.0.len(), 1 + 4 + 300);
    }
}
