"""Recognising faces across ages: a baseline, MTLFace, DAL and IEFP behind one interface, and their protocols."""
