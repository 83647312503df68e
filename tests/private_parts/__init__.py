"""The private parts of libraries that Commander relies on, one test for each place.

A test that fails names the place in one sentence. Look at the place before you raise the library's upper
bound in pyproject.toml. What is public in a library is not tested here.
"""
