"""Start the command line from a checkout: `python cli.py defend clip.mp4`."""

from magdr_video.command import main

if __name__ == "__main__":
    main()
