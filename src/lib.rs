//! beadle: a Matrix-native ChatOps bot whose heart is an append-only event log.
