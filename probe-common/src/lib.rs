//! Types and limits that the eBPF probe and its loader share.
#![no_std]
