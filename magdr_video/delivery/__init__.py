"""A clip's translated frames on their way into a file or a pipe, at once or in segments.

Into a pipe, and from one, frames go as they come. From file to file they are encoded in segments,
with a journal beside the target: a run that was killed goes on after its last whole segment, and
gives the frames that it would have given.
"""
