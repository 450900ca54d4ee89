"""The map against large-sample truth: does its band hold the frontier, and are its kinds right?"""
