"""The deciding room: facts about orders, funds, books and limits. Pure; imports nothing of ours."""
