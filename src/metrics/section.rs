//! The cached text of all rows of one kind, compressed in chunks of rows. Only chunks with a changed row are rendered
//! again.

use std::{collections::HashMap, fmt, sync::Arc};

use prometheus::{core::Desc, proto::MetricFamily};

use super::{
    compress::{Compressor, Part},
    family::{Buffer, MetricRow},
};
use crate::{domain::tag_label::TagLabel, snapshot::Snapshot};

/// How many rows are rendered together: a larger chunk compresses better, but each change costs more. A chunk ends where the
/// owner changes, if it then has 25 to 250 rows. A new row can shift the ends of all later chunks; they are then rendered once
/// again.
const MIN_ROWS: usize = 25;
const MAX_ROWS: usize = 250;

/// About how many samples are encoded at once: few calls of the encoder, and little memory.
const SAMPLES_PER_BLOCK: usize = 64;

/// The rows of one kind, rendered.
#[derive(Debug)]
pub(super) struct Section<T: 'static> {
    tag_labels: Arc<[TagLabel]>,
    buffers: Vec<Buffer<T>>,
    chunks: Vec<Chunk<T>>,
    text: Part,
}

/// Rows that are rendered together.
#[derive(Debug)]
struct Chunk<T> {
    rows: Vec<Arc<T>>,
    /// Their samples of each family.
    samples: Vec<Part>,
}

/// A [`Section`] of any kind of row.
pub(super) trait RowSection: fmt::Debug + Send + Sync {
    /// The descriptors of the metrics. Fails where a tag's label is invalid, or occurs twice.
    fn descs(&self) -> prometheus::Result<Vec<Desc>>;

    /// The metrics of a snapshot's rows, not cached.
    fn families(&self, snapshot: &Snapshot) -> Vec<MetricFamily>;

    /// The text of a snapshot's rows.
    fn render(&mut self, snapshot: &Snapshot, compressor: &mut Compressor) -> prometheus::Result<&Part>;
}

impl<T: MetricRow + fmt::Debug> RowSection for Section<T> {
    fn descs(&self) -> prometheus::Result<Vec<Desc>> {
        T::FAMILIES.iter().map(|family| family.desc(&self.tag_labels)).collect()
    }

    fn families(&self, snapshot: &Snapshot) -> Vec<MetricFamily> {
        let family = |family| {
            let mut buffer = Buffer::<T>::new(family, &self.tag_labels);
            T::rows(snapshot).for_each(|(owner, row)| buffer.add(owner, row));
            buffer.into_family()
        };
        T::FAMILIES.iter().map(family).collect()
    }

    fn render(&mut self, snapshot: &Snapshot, compressor: &mut Compressor) -> prometheus::Result<&Part> {
        let rows: Vec<_> = T::rows(snapshot).collect();
        let mut old = OldChunks::new(std::mem::take(&mut self.chunks));
        let mut is_changed = false;
        for rows in chunks(&rows) {
            let kept = old.take(rows);
            is_changed |= kept.is_none();
            let chunk = kept.map_or_else(|| self.render_chunk(rows, compressor), Ok)?;
            self.chunks.push(chunk);
        }
        if is_changed || !old.0.is_empty() {
            self.text = self.join(compressor)?;
        }
        Ok(&self.text)
    }
}

impl<T: MetricRow> Section<T> {
    pub(super) fn new(tag_labels: &Arc<[TagLabel]>) -> Self {
        let buffers = T::FAMILIES.iter().map(|family| Buffer::new(family, tag_labels)).collect();
        Self { tag_labels: Arc::clone(tag_labels), buffers, chunks: Vec::new(), text: Part::default() }
    }

    fn render_chunk(
        &mut self,
        rows: &[(&T::Owner, &Arc<T>)],
        compressor: &mut Compressor,
    ) -> prometheus::Result<Chunk<T>> {
        // Neighbours with equal labels compress well.
        let mut sorted = rows.to_vec();
        sorted.sort_by(|(a_owner, a), (b_owner, b)| a.label_values(a_owner).cmp(b.label_values(b_owner)));
        let samples = self.buffers.iter_mut().map(|buffer| {
            let mut text = Vec::new();
            for (owner, row) in &sorted {
                buffer.add(owner, row);
                if buffer.len() >= SAMPLES_PER_BLOCK {
                    buffer.encode(&mut text)?;
                }
            }
            buffer.encode(&mut text)?;
            Ok(compressor.part(&text))
        });
        let samples = samples.collect::<prometheus::Result<_>>()?;
        Ok(Chunk { rows: rows.iter().map(|(_, row)| Arc::clone(row)).collect(), samples })
    }

    /// Joins the chunks' samples, family by family: the text format requires all samples of a family to be contiguous.
    fn join(&self, compressor: &mut Compressor) -> prometheus::Result<Part> {
        let mut parts = Vec::new();
        let mut all_comments = Vec::new();
        for buffer in &self.buffers {
            all_comments.push(compressor.part(&buffer.comments()?));
        }
        for (index, comments) in all_comments.iter().enumerate() {
            let samples = self.chunks.iter().map(|chunk| &chunk.samples[index]);
            let mut samples = samples.filter(|samples| !samples.is_empty()).peekable();
            if samples.peek().is_some() {
                parts.push(comments);
                parts.extend(samples);
            }
        }
        Ok(Part::joined(parts))
    }
}

/// Splits rows into chunks.
fn chunks<'a, O: PartialEq, T>(rows: &'a [(&'a O, T)]) -> impl Iterator<Item = &'a [(&'a O, T)]> {
    let mut rest = rows;
    std::iter::from_fn(move || {
        let most = MAX_ROWS.min(rest.len());
        let end_of_owner = (MIN_ROWS..most).find(|&end| rest[end].0 != rest[end - 1].0);
        let (chunk, others) = rest.split_at(end_of_owner.unwrap_or(most));
        rest = others;
        (!chunk.is_empty()).then_some(chunk)
    })
}

/// The chunks of the last rendering, by the address of their first row: a new or removed chunk shifts the others.
struct OldChunks<T>(HashMap<*const T, Chunk<T>>);

impl<T> OldChunks<T> {
    fn new(chunks: Vec<Chunk<T>>) -> Self {
        Self(chunks.into_iter().map(|chunk| (Arc::as_ptr(&chunk.rows[0]), chunk)).collect())
    }

    /// The chunk with exactly these rows, if there is one.
    fn take<O>(&mut self, rows: &[(O, &Arc<T>)]) -> Option<Chunk<T>> {
        let (_, first) = rows.first()?;
        self.0.remove(&Arc::as_ptr(first)).filter(|chunk| chunk.has(rows))
    }
}

impl<T> Chunk<T> {
    /// Whether the chunk has these rows. A row is immutable and replaced when it changes, so its address says whether it is
    /// the same; comparing 10,000 rows by value would cost as much as reading them.
    fn has<O>(&self, rows: &[(O, &Arc<T>)]) -> bool {
        self.rows.len() == rows.len() && self.rows.iter().zip(rows).all(|(a, (_, b))| Arc::ptr_eq(a, b))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lengths of the chunks of owners with this many rows each.
    fn lengths(owners: &[usize]) -> Vec<usize> {
        let rows: Vec<_> = owners.iter().enumerate().flat_map(|(owner, rows)| vec![owner; *rows]).collect();
        let rows: Vec<_> = rows.iter().map(|owner| (owner, ())).collect();
        chunks(&rows).map(<[_]>::len).collect()
    }

    #[test]
    fn chunk_is_found_after_others_shifted() {
        let [new, a, b, c] = [0, 1, 2, 3].map(Arc::new);
        let chunk = |rows: [&Arc<i32>; 2]| Chunk { rows: rows.map(Arc::clone).into(), samples: Vec::new() };
        let mut old = OldChunks::new(vec![chunk([&a, &b]), chunk([&c, &b])]);
        assert!(old.take(&[((), &new)]).is_none());
        assert!(old.take(&[((), &a), ((), &b)]).is_some());
        assert!(old.take(&[((), &c), ((), &new)]).is_none(), "its second row differs");
        assert!(old.0.is_empty());
    }

    #[test]
    fn chunks_end_with_an_owner_or_when_full() {
        assert_eq!(lengths(&[]), [0; 0]);
        assert_eq!(lengths(&[600, 100]), [250, 250, 100, 100]);
        assert_eq!(lengths(&[10; 7]), [30, 30, 10]);
        assert_eq!(lengths(&[1; 60]), [25, 25, 10]);
        assert_eq!(lengths(&[20, 300]), [250, 70]);
    }
}
